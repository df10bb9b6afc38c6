"""The simulated devices. Each speaks its own protocol and reveals the world's truth through it."""
