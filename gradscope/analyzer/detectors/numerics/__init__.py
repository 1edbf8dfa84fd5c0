"""GS5xx: numerics."""
