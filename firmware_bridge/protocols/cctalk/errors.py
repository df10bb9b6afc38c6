"""What the ccTalk codec raises."""


class CctalkError(ValueError):
    """Bytes or values that are no ccTalk."""
