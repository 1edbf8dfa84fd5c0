"""gradscope inside other people's tools."""
