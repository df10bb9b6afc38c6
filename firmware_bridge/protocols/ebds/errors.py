"""The one error that the EBDS codec raises, whatever bytes it is given."""


class EbdsError(ValueError):
    """Bytes that are no EBDS, or values that EBDS cannot carry."""
