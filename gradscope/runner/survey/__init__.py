"""Where to measure: the calls of a forward pass, the layers they belong to, the graph."""
