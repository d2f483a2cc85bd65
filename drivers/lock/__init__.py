"""Lock actuators: a relay board, a diagnostic command."""
