"""Pure: bytes, a time interval and state in; a decision out."""
