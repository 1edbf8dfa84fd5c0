"""What a reader sees: reports of runs, checks, predictions and surveys."""
