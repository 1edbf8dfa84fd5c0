"""From a config to a Keras model with its data, loss and optimizer."""
