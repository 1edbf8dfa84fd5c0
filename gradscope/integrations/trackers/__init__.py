"""Tools in which people already look at runs; a new file is a new option of `run`."""
