"""What cannot be said in ESC/POS."""


class EscposError(ValueError):
    """A receipt that cannot be printed as it is."""
