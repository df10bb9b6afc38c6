"""Errors of training and export, each with a remedy for the person at the workstation."""


class SomganError(Exception):
    """Root of this package's errors; `remedy` says what a person can do about it."""

    remedy = "Run `python -m somgan --help`."

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        if remedy is not None:
            self.remedy = remedy

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.remedy})"


class DataError(SomganError, ValueError):
    """A feature table cannot be used as it is."""

    remedy = "Make the table again with `kiosk features`."


class ArtifactError(SomganError, ValueError):
    """An exported model is missing, damaged or does not fit the data."""

    remedy = "Train it again with `make train`."


class ExportError(SomganError, RuntimeError):
    """The ONNX graph does not compute what torch computes, or breaks its size or latency bound."""

    remedy = "Keep the old artifact; look at the named output."


class TorchMissingError(SomganError, RuntimeError):
    """Training was asked for in an environment without torch."""

    remedy = "Run `make setup-train`; only training needs torch."


class BenchMissingError(SomganError, RuntimeError):
    """A benchmark was asked for a peer whose package is not installed."""

    remedy = "Run `make setup-bench`; only benchmarks need it."
