"""Mains: from flags to a configuration to a run."""
