"""Models that learn from a dataset, and what training them needs: losses, labels, augmentation, receptive fields.

Keras runs on TensorFlow here. Importing this package loads neither: `registry` lists the models without them.
"""

from __future__ import annotations

import os

# Before Keras is imported for the first time: a user's ~/.keras/keras.json may name another backend.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
