"""rsbot-beam: Earth Engine to TensorFlow and back to maps, at continental scale, with Apache Beam."""
