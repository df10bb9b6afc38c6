"""Drivers: protocol codecs joined to a `Transport`; they satisfy `firmware_bridge.interfaces`."""
