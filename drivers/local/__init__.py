"""This machine: sd_notify, control socket, durable files."""
