"""What the car says: signals, legs, samples, and what may be kept of them."""
