"""CAN: the kernel samples the bus for us; diagnostics and decoding."""
