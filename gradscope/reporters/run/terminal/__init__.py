"""The report in a terminal: the answer in about 16 lines, and on request all behind it."""
