"""Where the first value that is not finite came from: the failing step, computed once more."""
