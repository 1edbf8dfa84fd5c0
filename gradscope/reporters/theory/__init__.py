"""A prediction as text, JSON and picture."""
