"""What should happen before anything is computed."""
