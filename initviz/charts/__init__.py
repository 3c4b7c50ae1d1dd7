"""Altair charts: a constant spec, and the data that changes."""
