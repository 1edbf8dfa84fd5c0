"""TensorFlow's import, device and seeds, and state that measuring must leave as it was."""
