"""Small versions of the networks that people train: measured share, verdict, cost and bits."""
