"""The numbers behind the names: activations, initializers, placements, optimizers, losses."""
