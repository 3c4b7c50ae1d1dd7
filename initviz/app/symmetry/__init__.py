"""The page Symmetry."""
