"""Metrics and health over HTTP, for a collector on this machine."""
