"""Records to the backend, bookings and commands from it."""
