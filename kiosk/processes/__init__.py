"""Process entry points: the only place where rooms are wired together."""
