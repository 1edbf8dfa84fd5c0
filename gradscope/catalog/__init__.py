"""Activations, initializers, losses and optimizers: one entry each, under Keras's name."""
