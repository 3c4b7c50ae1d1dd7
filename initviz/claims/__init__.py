"""Experiments: each sentence of the study notes and each figure of a paper, with its pass criteria."""
