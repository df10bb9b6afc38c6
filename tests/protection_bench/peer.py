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


def argus() -> Judge:
    """argus-redact, patterns and rules of the script's language pack (there is none for Russian: English)."""
    from argus_redact import redact  # noqa: PLC0415 - installed there only

    packs = {"zh": ["zh", "en"], "en": ["en", "uk", "de"], "ru": ["en", "de"]}

    def judge(value: str, script: str) -> list[str]:
        types = redact(value, lang=packs[script], mode="fast", with_types=True)[2]
        return [ARGUS[kind] for kind in types.values() if kind in ARGUS]

    return judge


def presidio() -> Judge:
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

    return judge


def main() -> None:
    """Command line."""
    logging.disable(logging.CRITICAL)
    judge = {"argus-redact": argus, "presidio": presidio}[sys.argv[1]]()
    cells = [json.loads(line) for line in sys.stdin]
    for cell in cells[:20]:
        judge(cell["value"], cell["script"])
    seconds = 0.0
    for cell in cells:
        started = time.process_time()
        kinds = judge(cell["value"], cell["script"])
        seconds += time.process_time() - started
        print(json.dumps(kinds))
    print(json.dumps({"microseconds": seconds / max(len(cells), 1) * 1e6}))


if __name__ == "__main__":
    main()
