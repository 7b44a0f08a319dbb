"""Thin Beam transforms over pure functions: enumerate, fetch, write, analyse, transform."""
