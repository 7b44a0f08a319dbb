"""Models that learn from a dataset, and what training them needs: losses, labels, augmentation, receptive fields.

Keras runs on TensorFlow here. Importing this package loads neither: `registry` lists the models without them.
"""
