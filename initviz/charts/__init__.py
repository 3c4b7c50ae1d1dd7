"""Altair charts: a constant spec, and the data that changes.

A channel is written as an object, alt.Text("name:N"), since Altair takes some 3 ms to make one of a string.
"""
