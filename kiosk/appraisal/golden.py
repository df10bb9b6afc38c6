"""Golden examples: rows with the answers that a model gave where it was made, asked again where it is to judge.

A graph that was damaged, a runtime that computes otherwise, or a bundle whose parts do not belong together is found
before it judges anybody. They say nothing of how good a model is: the card's figures do.
"""

from typing import Final

import numpy as np

from kiosk.appraisal.manifest import EXAMPLES_MIN, ModelError
from kiosk.appraisal.model import StreamModel

TOLERANCE: Final = 1e-3  # of max(1, |score|): as much as the exporter allows between torch and onnxruntime
CELLS_OFF_MAX: Final = 0.25  # share of examples: nearly equal distances may be ordered differently on another processor
REMEDY: Final = "The edition before it judges on. Ask the bank for a bundle that was made and tried on this hardware."


def golden_problem(model: StreamModel) -> str:
    """Why the model does not give what its golden examples say, in words; empty when it does."""
    examples = model.manifest.golden
    if len(examples) < EXAMPLES_MIN:
        return f"it brings {len(examples)} golden examples, {EXAMPLES_MIN} are needed"
    elsewhere = 0
    for number, example in enumerate(examples, start=1):
        try:
            judged = model.judge(np.array(example.x, np.float32))
        except ModelError as error:
            return f"golden example {number} cannot be judged: {error.args[0]}"
        if not abs(judged.score - example.score) <= TOLERANCE * max(1.0, abs(example.score)):
            return f"golden example {number} scores {judged.score:.6g} instead of {example.score:.6g}"
        elsewhere += judged.bmu != example.bmu
    if elsewhere > CELLS_OFF_MAX * len(examples):
        return f"{elsewhere} of {len(examples)} golden examples fall on another cell of the map"
    return ""


def tried(model: StreamModel) -> StreamModel:
    """The model, its golden examples being right. Raises ModelError."""
    problem = golden_problem(model)
    if problem:
        message = f"the {model.manifest.stream} model {model.manifest.version} is not what it was: {problem}"
        raise ModelError(message, remedy=REMEDY)
    return model
