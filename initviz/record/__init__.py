"""Recorders of people's own models: each one file that stands alone and imports nothing of initviz."""
