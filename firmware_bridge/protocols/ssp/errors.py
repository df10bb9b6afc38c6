"""The one error that the SSP codec raises, whatever bytes it is given."""


class SspError(ValueError):
    """Bytes that are no SSP, or values that SSP cannot carry."""
