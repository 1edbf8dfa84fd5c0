"""The rooms of gradscope for docs/design.md: read from the sources, and drawn."""
