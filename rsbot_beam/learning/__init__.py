"""TensorFlow and tf.Transform: preprocessing, examples, datasets."""
