"""Averages of an activation over normal pre-activations, and the gains of a layer."""
