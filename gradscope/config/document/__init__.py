"""What a config holds before it is checked: its tree, with the line of every key and value."""
