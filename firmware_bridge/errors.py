"""Faults of devices and links, each with a remedy in words for the technician."""


class DeviceFault(Exception):
    """A device did not do what it was told, or cannot be asked."""

    remedy = "Open the maintenance shell and look at the device."

    def __init__(self, device: str, message: str, *, remedy: str | None = None) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device
        if remedy is not None:
            self.remedy = remedy


class LinkDown(DeviceFault, ConnectionError):
    """No answer within the protocol's retries, or the port is gone."""

    remedy = "Check the cable and the power of the device; the port is opened again by itself."


class DeviceRestarted(DeviceFault, RuntimeError):
    """The device lost its session (reset, keys gone): call `start` again and reconcile first."""

    remedy = "Nothing to do: the kiosk reconciles and starts the device again."


class CommandRefused(DeviceFault, RuntimeError):
    """The device understood and said no. `code` is the protocol's reason, if it gave one."""

    def __init__(self, device: str, message: str, *, code: int | None = None) -> None:
        super().__init__(device, message)
        self.code = code


class BoardBusy(CommandRefused):
    """Exception 06: another command runs; nothing was recorded."""


class LabelNotPrinted(DeviceFault, RuntimeError):
    """The printer did not confirm the label; it may or may not be out."""

    remedy = "Check paper, ribbon and head of the label printer; a label in doubt is void."


class ReceiptNotPrinted(DeviceFault, RuntimeError):
    """The printer did not confirm the receipt; it, or a part of it, may be out."""

    remedy = "Check paper, cover and cutter of the receipt printer; the receipt can be shown on the screen."


class DeviceChanged(DeviceFault, PermissionError):
    """Another serial number than the accepted one answered."""

    remedy = "Let a technician accept the new device: `kioskctl accept-device`."
