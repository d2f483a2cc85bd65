"""Cases for any implementation of docs/keyless.md: bytes, trust, time and state, with the decision that is due.

Written with the bench's own encoder and from that page alone; nothing here reads or judges a signed object.
"""
