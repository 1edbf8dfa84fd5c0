"""GS3xx: normalization."""
