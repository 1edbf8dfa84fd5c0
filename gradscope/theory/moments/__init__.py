"""Averages of an activation over normal pre-activations, and what one layer makes of them."""
