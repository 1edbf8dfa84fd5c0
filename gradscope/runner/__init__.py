"""Building, training and listening: the only room that imports TensorFlow."""
