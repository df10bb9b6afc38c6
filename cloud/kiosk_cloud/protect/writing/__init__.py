"""Tagged copies: the same table in the same format, with what was found beside it."""
