"""Pages for a browser: of a dataset, a model, a map, or a folder that holds several; each is one HTML file."""
