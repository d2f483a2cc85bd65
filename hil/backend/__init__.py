"""The reference backend: a real broker, an idempotent receiver, an issuer of bookings."""
