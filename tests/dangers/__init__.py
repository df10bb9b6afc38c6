"""Dangers acted out before the watcher that ships: `make scenarios`."""
