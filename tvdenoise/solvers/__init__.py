"""Ways to the minimiser: optimizers, what they move, where they start, and the loop that stops them."""
