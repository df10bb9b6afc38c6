"""The kiosk's one TOML file, typed: what may be set, in which range and unit, and what it is by default.

`load_config(path)` refuses what it does not know. Secrets are files beside it (`paths.keys_dir`), never in it.
"""

from kiosk.config.loading import bus_uids, config_hash, load_config, understood
from kiosk.config.schema import (
    BoardConfig,
    BrokerConfig,
    BusConfig,
    CameraConfig,
    CashConfig,
    Config,
    GpioConfig,
    KioskSection,
    LabelPrinterConfig,
    LimitConfig,
    LineConfig,
    NoteConfig,
    PathsConfig,
    ReceiptPrinterConfig,
    RiskConfig,
    TimingConfig,
    UplinkConfig,
    ValidatorConfig,
)

__all__ = [
    "BoardConfig",
    "BrokerConfig",
    "BusConfig",
    "CameraConfig",
    "CashConfig",
    "Config",
    "GpioConfig",
    "KioskSection",
    "LabelPrinterConfig",
    "LimitConfig",
    "LineConfig",
    "NoteConfig",
    "PathsConfig",
    "ReceiptPrinterConfig",
    "RiskConfig",
    "TimingConfig",
    "UplinkConfig",
    "ValidatorConfig",
    "bus_uids",
    "config_hash",
    "load_config",
    "understood",
]
