"""Badge reader and keypad on a serial line."""
