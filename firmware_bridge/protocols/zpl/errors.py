"""The one error of the ZPL codec."""


class ZplError(ValueError):
    """Content that a label cannot carry, or a status that is no `~HS` reply."""
