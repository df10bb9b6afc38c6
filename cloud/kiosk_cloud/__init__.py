"""The bank's reference backend: provisioning, the receiver, and the offline check of everything it stored."""
