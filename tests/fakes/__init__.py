"""Stand-ins for what a test must be able to hold still: time, and nothing that could run for real."""
