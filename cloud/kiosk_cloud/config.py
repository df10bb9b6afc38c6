"""`bank.toml`: where the receiver finds the broker, its store and its keys. Unknown settings are refused."""

import json
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec

from kiosk.errors import ConfigError

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Instance = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Keepalive = Annotated[int, msgspec.Meta(ge=5, le=120)]
AheadRecords = Annotated[int, msgspec.Meta(ge=256, le=1_000_000)]
EvidenceMib = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
GapSeconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]


class BrokerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The broker and our client certificate; paths of PEM files."""

    host: str
    port: Port
    ca: Path
    cert: Path
    key: Path
    keepalive_s: Keepalive = 20


class BankConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of `bank.toml`. `instance` names this receiver; each beside it needs another name."""

    broker: BrokerConfig
    store: Path
    keys: Path
    instance: Instance = "1"
    ahead_records_max: AheadRecords = 4096  # stored beyond the contiguous prefix, per kiosk; above the kiosk's window
    gap_s: GapSeconds = 30.0
    policy: Path | None = None  # C2SP tlog-policy: the witnesses that are asked to cosign
    evidence: Path | None = None  # folder of stills and clips; default: `evidence` beside the store
    evidence_mib_max: EvidenceMib = 1024  # of one kiosk; more is not taken
    mirror: Path | None = None  # folder of tiles, one below it for each kiosk; needs `policy`
    more_brokers: Annotated[tuple[BrokerConfig, ...], msgspec.Meta(max_length=7)] = ()  # that kiosks fail over to

    @property
    def evidence_folder(self) -> Path:
        """Where complete files of evidence lie."""
        return self.evidence or self.store.parent / "evidence"

    @property
    def brokers(self) -> tuple[BrokerConfig, ...]:
        """All of them: whoever receives listens at each, whoever publishes leaves it with each."""
        return (self.broker, *self.more_brokers)


def load(path: Path) -> BankConfig:
    """Read `path`; relative paths in it are below its directory. ConfigError."""
    try:
        raw = tomllib.loads(path.read_text())
        config = msgspec.convert(raw, BankConfig, dec_hook=_path)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise ConfigError(message) from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from error
    base = path.absolute().parent
    brokers = tuple(
        msgspec.structs.replace(each, ca=base / each.ca, cert=base / each.cert, key=base / each.key)
        for each in config.brokers
    )
    return msgspec.structs.replace(
        config,
        broker=brokers[0],
        more_brokers=brokers[1:],
        store=base / config.store,
        keys=base / config.keys,
        policy=None if config.policy is None else base / config.policy,
        mirror=None if config.mirror is None else base / config.mirror,
        evidence=None if config.evidence is None else base / config.evidence,
    )


def with_instance(config: BankConfig, instance: str | None) -> BankConfig:
    """`config` for another receiver beside it; None changes nothing. ConfigError for a name that cannot be one."""
    if instance is None:
        return config
    try:
        return msgspec.structs.replace(config, instance=msgspec.convert(instance, Instance))
    except msgspec.ValidationError as error:
        message = f"--instance {instance}: {error}"
        raise ConfigError(message) from error


def encode(config: BankConfig) -> bytes:
    """`config` as TOML (its strings are JSON strings, which TOML's basic strings contain)."""
    lines = ["# Written by `kiosk-cloud provision`; changes are lost."]
    tables = []
    for name, value in msgspec.structs.asdict(config).items():
        if isinstance(value, msgspec.Struct):
            tables += ["", f"[{name}]", *(_line(*item) for item in msgspec.structs.asdict(value).items())]
        elif isinstance(value, tuple):
            for each in value:
                tables += ["", f"[[{name}]]", *(_line(*item) for item in msgspec.structs.asdict(each).items())]
        elif value is not None:
            lines.append(_line(name, value))
    return ("\n".join([*lines, *tables]) + "\n").encode()


def _line(name: str, value: object) -> str:
    return f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}"


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    message = f"{kind.__name__} expected"
    raise TypeError(message)
