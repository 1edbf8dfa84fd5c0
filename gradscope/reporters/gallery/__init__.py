"""The gallery: what papers say, what theory says and what was measured, as text and pictures."""
