"""The gate of an installation: its catalogue, for whatever a process says outside."""

from kiosk.config import Config
from kiosk.errors import ConfigError
from kiosk.protection.bundles import usual_gate
from kiosk.protection.catalogue import CatalogueError, CatalogueFile
from kiosk.protection.egress import Gate, Judge


def egress_gate(config: Config, judge: Judge | None = None) -> Gate:
    """The gate of this installation's catalogue; what stands in clear with every record has passed it.

    Raises ConfigError: a catalogue that cannot be taken, or a kiosk.id that tells something protected.
    """
    try:
        gate = usual_gate(CatalogueFile(config.protection.catalogue), judge)
    except (CatalogueError, OSError) as error:
        message = f"protection.catalogue: {error}"
        raise ConfigError(
            message, remedy="Take kiosk/protection/catalogue.toml and change what is to be changed."
        ) from error
    if gate.text(config.kiosk.id, "record").stopped:
        message = "kiosk.id looks like protected data (a phone number, an account, a name's e-mail)"
        raise ConfigError(message, remedy="It leaves in clear with every record: let it say nothing of anybody.")
    return gate
