"""Expected figures of each layer at initialisation (numpy only)."""
