"""Runs: from a configuration to finished output, through one Beam pipeline for each step, with checks between them."""
