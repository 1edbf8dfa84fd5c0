"""What the Python API returns, with the look of a notebook."""
