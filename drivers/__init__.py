"""Everything with a file descriptor, and the ports the agent sees; no business rules."""
