"""The page Recording."""
