"""One set of rules, the findings and the verdict that follow from them, remedies, and the report."""
