"""One network: how it is drawn, what goes through it and comes back, and what is measured on the way."""
