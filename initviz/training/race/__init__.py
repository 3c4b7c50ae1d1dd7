"""A race of all chosen initializers on the same data: its terms, memory, progress, films and outcomes."""
