"""What comes from outside and goes out: weights files, CSV tables, source code."""
