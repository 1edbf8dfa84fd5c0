"""What each layer should show at initialisation (numpy only)."""
