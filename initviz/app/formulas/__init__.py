"""The page Formulas."""
