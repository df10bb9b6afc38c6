"""Posting: each deposit that the bank has acknowledged is handed to its books exactly once, by webhook and by file."""
