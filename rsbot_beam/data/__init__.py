"""Bands, patches, raw shards, splits, manifests: plain NumPy and Arrow."""
