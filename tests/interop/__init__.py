"""Our formats before verifiers that we did not write: `make test-interop`."""
