"""The cases of convolutional, recurrent, attention and tabular networks, and of own losses."""
