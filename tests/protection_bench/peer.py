"""A peer's verdicts, run by the peer's own Python (`make setup-bench-protection`): it imports nothing of ours.

`python peer.py NAME < cells.jsonl`: a line is {"value", "script"}; printed is one list of our kinds a line (what the peer
found anywhere in the cell), then {"microseconds": of one cell}. Models are not downloaded: argus-redact in its `fast`
mode, Presidio with its pattern recognisers over a blank tokenizer, DataProfiler with the model in its package.
"""

import json
import logging
import sys
import time
from collections.abc import Callable

ARGUS = {
    "person": "person_name", "address": "postal_address", "phone": "phone", "phone_landline": "phone", "email": "email",
    "id_number": "resident_id_cn", "passport": "passport_cn", "credit_card": "bank_card", "bank_card": "bank_card",
    "iban": "iban", "ip_address": "ip_address", "mac_address": "mac_address", "license_plate": "vehicle_plate",
    "date_of_birth": "birth_date", "credit_code": "uscc_cn", "uscc": "uscc_cn",
}  # fmt: skip
PRESIDIO = {
    "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email", "CREDIT_CARD": "bank_card", "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip_address", "MAC_ADDRESS": "mac_address",
}  # fmt: skip
PROFILER = {
    "PERSON": "person_name", "ADDRESS": "postal_address", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email",
    "CREDIT_CARD": "bank_card", "BAN": "iban", "IPV4": "ip_address", "IPV6": "ip_address", "MAC_ADDRESS": "mac_address",
    "HASH_OR_KEY": "secret",
}  # fmt: skip
Judge = Callable[[str, str], list[str]]
Prepare = Callable[[list[str]], None]  # for a peer that is made for many cells at once


def _nothing(_: list[str]) -> None:
    """What a peer that takes one cell at a time prepares."""


def argus() -> tuple[Judge, Prepare]:
    """argus-redact, patterns and rules of the script's language pack (there is none for Russian: English)."""
    from argus_redact import redact  # noqa: PLC0415 - installed there only

    packs = {"zh": ["zh", "en"], "en": ["en", "uk", "de"], "ru": ["en", "de"]}

    def judge(value: str, script: str) -> list[str]:
        types = redact(value, lang=packs[script], mode="fast", with_types=True)[2]
        return [ARGUS[kind] for kind in types.values() if kind in ARGUS]

    return judge, _nothing


def presidio() -> tuple[Judge, Prepare]:
    """Presidio's own recognisers, without a language model."""
    import spacy  # noqa: PLC0415
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # noqa: PLC0415
    from presidio_analyzer.nlp_engine import SpacyNlpEngine  # noqa: PLC0415

    class Blank(SpacyNlpEngine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Nothing to load."""

    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    engine = AnalyzerEngine(nlp_engine=Blank(), registry=registry, supported_languages=["en"])

    def judge(value: str, _: str) -> list[str]:
        found = engine.analyze(value, language="en", entities=list(PRESIDIO))
        return [PRESIDIO[each.entity_type] for each in sorted(found, key=lambda each: -each.score)]

    return judge, _nothing


def profiler() -> tuple[Judge, Prepare]:
    """DataProfiler's structured labeler, which takes whole cells; its network runs on one thread like ours."""
    import dataprofiler  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    dataprofiler.set_verbosity(logging.CRITICAL)
    labeler = dataprofiler.DataLabeler(labeler_type="structured")
    known: dict[str, str] = {}

    def judge(value: str, _: str) -> list[str]:
        kind = PROFILER.get(known.get(value, ""))
        return [] if kind is None else [kind]

    def prepare(values: list[str]) -> None:
        known.update(zip(values, map(str, labeler.predict(values)["pred"]), strict=True))

    return judge, prepare


def main() -> None:
    """Command line."""
    logging.disable(logging.CRITICAL)
    judge, prepare = {"argus-redact": argus, "presidio": presidio, "dataprofiler": profiler}[sys.argv[1]]()
    cells = [json.loads(line) for line in sys.stdin]
    prepare([cell["value"] for cell in cells[:20]])
    for cell in cells[:20]:
        judge(cell["value"], cell["script"])
    started = time.process_time()
    prepare([cell["value"] for cell in cells])
    seconds = time.process_time() - started
    for cell in cells:
        started = time.process_time()
        kinds = judge(cell["value"], cell["script"])
        seconds += time.process_time() - started
        print(json.dumps(kinds))
    print(json.dumps({"microseconds": seconds / max(len(cells), 1) * 1e6}))


if __name__ == "__main__":
    main()
