"""The measured training step: one traced function and the statistics it computes."""
