"""The output layer at initialisation: its loss and the errors that start the backward pass."""
