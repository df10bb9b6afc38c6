"""The settings that the controller can change while it runs (`kiosk.config.live`), and where they go."""

from collections.abc import Callable

from kiosk.config import Config, live


class LiveSettings:
    """What `kiosk.management.settings_desk` needs of the configuration."""

    def __init__(self, config: Config, follow: Callable[[Config], None]) -> None:
        """`follow` is given the configuration with what is set over it, whenever that changes."""
        self._config = config
        self._follow = follow

    def keys(self) -> dict[str, bool]:
        """Every key, and whether it takes two people."""
        return live.keys(self._config)

    def configured(self, key: str) -> str:
        """The value by the file or the default, as TOML has it."""
        return live.value_of(live.changed(self._config, {}), key)  # written in one way: 120 seconds are 120.0

    def check(self, values: dict[str, str]) -> dict[str, str]:
        """Every key's value with these over the file. Raises `ConfigError`."""
        made = live.changed(self._config, values)
        return {key: live.value_of(made, key) for key in self.keys()}

    def apply(self, values: dict[str, str]) -> None:
        """From the next deposit on these hold."""
        self._follow(live.changed(self._config, values))
