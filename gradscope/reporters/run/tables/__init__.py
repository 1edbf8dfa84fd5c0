"""Tables of a report as data: layers, weights, time steps; the forms draw their rows."""
