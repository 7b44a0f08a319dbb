"""An Earth Engine on loopback for laptops and tests: the real `ee` client talks to it over HTTP as it does to Google's.

Nothing else in the package imports it, but the command that starts it (`rsbot earth`).
"""
