"""Text layout: lines, tables, characters, numbers and sanitizing."""
