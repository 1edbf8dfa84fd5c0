"""GS2xx: activations."""
