"""Dense layers without normalization: depth recursion, bands at finite width."""
