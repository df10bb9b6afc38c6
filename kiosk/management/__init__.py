"""The controller's process: the loop that runs the core against devices and journal, and recovery."""
