"""Theory: what is expected of a network before anything is simulated."""
