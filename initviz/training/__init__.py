"""What becomes of initial weights: gradient descent, races, symmetry, sweeps."""
