"""Protocols without I/O: bytes and time in, values and bytes out; each has an error class of its own."""
