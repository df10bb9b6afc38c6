"""Firmware bridge: drivers of the kiosk's devices. Imports nothing of `kiosk`."""
