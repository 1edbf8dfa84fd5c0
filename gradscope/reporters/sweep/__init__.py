"""The report of a sweep: text, pictures and page, all from its table."""
