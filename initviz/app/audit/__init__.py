"""The page Audit: which initializer drew each tensor of a weights file."""
