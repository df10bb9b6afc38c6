"""Says loudly when the tests beside it could not run."""

import pytest

from tests.train.conftest import TORCH


@pytest.mark.train
def test_training_tests_can_run() -> None:
    if not TORCH:
        pytest.skip("no torch, onnx or dp-accounting here: tests/train was NOT run; `make setup-train` installs them")
