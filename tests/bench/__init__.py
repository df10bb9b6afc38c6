"""`make bench`: our figures beside the limits of the same machine in the same run. See bench/README.md."""
