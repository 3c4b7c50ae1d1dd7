"""A race of all chosen initializers on the same data: its terms, memory, course, films and outcomes."""
