"""GS6xx: learning."""
