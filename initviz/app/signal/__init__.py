"""The page Signal."""
