"""Dense layers with batch norm: gradient rates, depth recursion, bands at finite width."""
