"""The kiosk's errors: a small tree, each also a builtin, each with a remedy for the person who reads it."""


class KioskError(Exception):
    """Root of the product's own errors; `remedy` says what a person can do about it."""

    remedy = "Look at `kioskctl status`; if it does not say what to do, call the technician."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.remedy})"


class ConfigError(KioskError, ValueError):
    """The configuration cannot be used as it is."""

    remedy = "Correct the named setting in the configuration file and start again."


class JournalError(KioskError, RuntimeError):
    """The journal cannot be trusted or written: nothing may move a note."""

    remedy = "Keep the kiosk out of service; check the disk, then start it again."


class BusError(KioskError, ConnectionError):
    """The other end of the bus refused or is not there."""

    remedy = "Check that the controller runs and that this user may open the role's socket."


class VerificationError(KioskError, ValueError):
    """Bytes that claim to be signed, sealed or logged are not what they claim."""

    remedy = "Keep the bytes as they are; they are evidence. Do not accept what they say."


class LogForkError(VerificationError):
    """Two signed statements about one log contradict each other: somebody has rewritten it."""

    remedy = "Stop taking deposits on this kiosk; keep both statements, they are the proof; call the bank's auditor."


class LogRollbackError(VerificationError):
    """A signed statement speaks of more of the log than is here: this is an old copy of the disk."""

    remedy = (
        "Stop taking deposits; find out who restored this disk; the bank and a second signer must open a new log epoch."
    )
