"""A C2SP tlog-witness: it has seen each log grow, and signs only what continues what it saw. Run by somebody else."""
