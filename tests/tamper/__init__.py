"""Whoever changes, removes or reorders what was signed is found out: byte by byte, and record by record."""
