"""GS1xx: gradients."""
