"""EBDS (MEI / CPI bill acceptors) without I/O: frames, toggle, omnibus and extended messages.

Section numbers are those of the fact sheet `ebds.md`.
"""
