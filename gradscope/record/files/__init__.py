"""Files: written whole or not at all, long series, strict JSON, and sizes that are declared."""
