"""The deposit kiosk: what runs on the box in the village shop. ARCHITECTURE.md shows its rooms."""

from typing import Final

__version__: Final = "0.1.0"  # a test holds pyproject.toml to it
