"""Maps as files: Cloud Optimized GeoTIFFs, STAC, mosaics, pictures of all of them, and vectors.

Each module is imported where it is needed: workers that write rasters load neither pystac nor pyogrio.
"""
