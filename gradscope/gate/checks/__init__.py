"""Checks that need no baseline: verdicts, theory and the budgets of the config."""
