"""Curves over depth, time and steps, and the steps that a verdict rests on."""
