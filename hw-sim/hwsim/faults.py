"""Faults by device and name: what each means, which parameters it takes, and what sets it off."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from hwsim.errors import ScenarioError, UnknownFault
from hwsim.scheduler import Scheduler

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault of one device. `parameters` maps each name to its default; the type is the default's."""

    device: str
    name: str
    what: str
    apply: Callable[..., None] = field(repr=False, compare=False)
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """A fault of a scenario and its trigger: a time, the nth happening `on`, or a probability at each `on`."""

    device: str
    name: str
    parameters: Parameters = field(default_factory=dict)
    at_s: float | None = None
    on: str | None = None  # "source.what" of a happening, e.g. "validator.credited"
    nth: int | None = None
    probability: float | None = None


class FaultRegistry:
    """All faults there are, and those that wait for their trigger."""

    def __init__(self, scheduler: Scheduler, rng: Random, applied: Callable[[str, str, Parameters], None]) -> None:
        self._scheduler = scheduler
        self._rng = rng
        self._applied = applied  # told of each fault just before it happens
        self._specs: dict[tuple[str, str], FaultSpec] = {}
        self._waiting: list[list[Any]] = []  # [order, count of happenings so far]

    def add(self, *specs: FaultSpec) -> None:
        for spec in specs:
            self._specs[(spec.device, spec.name)] = spec

    def all(self) -> tuple[FaultSpec, ...]:
        return tuple(self._specs.values())

    def apply(self, device: str, name: str, parameters: Parameters) -> None:
        """Let it happen now; `UnknownFault` when the name or a parameter is not known."""
        spec = self._spec(device, name)
        checked = self._checked(spec, parameters)
        self._applied(device, name, checked)
        spec.apply(**checked)

    def order(self, order: FaultOrder) -> None:
        """Arm a scenario's fault; its name and parameters are checked at once."""
        self._checked(self._spec(order.device, order.name), order.parameters)
        if order.at_s is not None:
            self._scheduler.call_later(order.at_s, self.apply, order.device, order.name, order.parameters)
        elif order.on is not None:
            self._waiting.append([order, 0])
        else:
            message = f"fault {order.device}.{order.name} has no trigger"
            raise ScenarioError(message, "Give at_s, or on with nth or probability.")

    def happened(self, name: str) -> None:
        """Something happened in the world: set off what waited for it, after the present step."""
        for entry in tuple(self._waiting):
            order: FaultOrder = entry[0]
            if order.on != name:
                continue
            entry[1] += 1
            due = entry[1] == order.nth if order.nth is not None else self._rng.random() < (order.probability or 0.0)
            if due:
                self._scheduler.call_later(0.0, self.apply, order.device, order.name, order.parameters)
                if order.nth is not None:
                    self._waiting.remove(entry)

    def _spec(self, device: str, name: str) -> FaultSpec:
        spec = self._specs.get((device, name))
        if spec is None:
            known = sorted(f"{d}.{n}" for d, n in self._specs if d == device) or sorted({d for d, _ in self._specs})
            message = f"no fault {name!r} of {device!r}"
            raise UnknownFault(message, f"Known: {', '.join(known)}.")
        return spec

    @staticmethod
    def _checked(spec: FaultSpec, parameters: Parameters) -> dict[str, Any]:
        values: dict[str, Any] = dict(spec.parameters)
        for key, value in parameters.items():
            if key not in values:
                message = f"{spec.device}.{spec.name} has no parameter {key!r}"
                raise UnknownFault(message, f"Parameters: {', '.join(values) or 'none'}.")
            default = values[key]
            wanted = (int, float) if isinstance(default, float) else type(default)
            if not isinstance(value, wanted) or (isinstance(value, bool) and not isinstance(default, bool)):
                message = f"{spec.device}.{spec.name}: {key} must be like {default!r}"
                raise UnknownFault(message)
            values[key] = value
        return values
