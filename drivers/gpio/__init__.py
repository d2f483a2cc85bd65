"""Inputs on the board's GPIO character device."""
