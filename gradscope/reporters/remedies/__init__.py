"""Remedies in words, for whoever reads them, with the code of a Keras model."""
