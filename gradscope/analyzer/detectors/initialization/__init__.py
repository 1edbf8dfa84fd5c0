"""GS4xx: initialization against theory."""
