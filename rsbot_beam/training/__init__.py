"""Training a model on a dataset, exporting it with its preprocessing inside, and scoring it beside baselines.

Importing this package loads neither TensorFlow nor scikit-learn: its modules are loaded by the commands that need them.
"""
