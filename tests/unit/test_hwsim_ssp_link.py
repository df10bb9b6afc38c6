"""The simulated validator's link: sequence flag, stored replies, encryption (ssp.md 2.2 and 7)."""

import pytest

from hwsim.config import SspProfile
from hwsim.devices.ssp_crypto import Session
from hwsim.devices.ssp_frame import Frame
from tests.unit.hwsim_tools import SspHost, codes


@pytest.mark.parametrize(
    ("count", "data", "expected"),
    [
        (0, "07", "7E 2F 9D 3F 43 A2 7B 87 C4 F4 A9 24 C6 43 1B 5B 56"),
        (1, "F0", "7E 6C B2 8F E6 6C 6B 1C 55 16 93 20 EF B2 B2 B6 A0"),
        (3, "F0 EE 03 CC", "7E 58 74 C6 EF 0C 2A 0B FC B1 DD A2 7E 62 FE D1 25"),
        (
            6,
            "F0 B4 01 E8 03 00 00 45 55 52 E8",
            "7E EC 04 8A 39 F5 E4 73 B4 3B 0C E8 9A EB C9 FB 9A 00 E9 8B 53 78 0F 1B BB C5 D8 B6 DF 8C FE F4 BA",
        ),
    ],
)
def test_published_ciphertexts(count: int, data: str, expected: str) -> None:
    session = Session(0x0123456701234567)
    assert session.set_generator(982451653)
    assert session.set_modulus(1287821)
    assert session.exchange(79617, 0x89ABCD) == 134225
    session.count = count - 1
    assert session.seal(bytes.fromhex(data), bytes) == bytes.fromhex(expected)


def test_sync_is_answered_in_every_state_and_then_flag_zero_is_new() -> None:
    host = SspHost()
    for _ in range(2):
        host.sync()
        assert host.flag == 0
        assert host.plain(0x07) is not None
        assert host.flag == 1


def test_same_flag_executes_once_and_repeats_the_reply() -> None:
    host = SspHost()
    host.sync()
    first = host.plain(0x07)
    assert first == b"\xf0\xf1\xe8"
    assert host.again() == first
    assert host.plain(0x07) == b"\xf0\xe8"  # F1 came once


def test_encrypted_duplicate_is_answered_before_its_count_is_checked() -> None:
    host = SspHost()
    host.start()
    host.secure(0x56)
    wire = host.last_wire
    first = host.wire(wire)
    assert first is not None
    assert host.wire(wire) == first
    assert codes(host.poll()) == []  # the counters still agree


def test_another_address_a_bad_crc_and_a_wrong_count_are_met_with_silence() -> None:
    host = SspHost()
    host.start()
    assert host.wire(Frame(0x10, host.flag, b"\x07").encode()) is None
    bad = Frame(0, host.flag, b"\x07").encode()
    assert host.wire(bad[:-1] + bytes((bad[-1] ^ 1,))) is None
    host.session.count += 5
    assert host.secure(0x56) is None
    host.session.count -= 5
    assert codes(host.poll()) == [0xF1]


def test_marked_commands_need_encryption() -> None:
    host = SspHost()
    host.sync()
    assert host.plain(0x52) == b"\xfa"  # no key yet
    host.keys()
    assert host.plain(0x52) == b"\xf4"
    assert host.secure(0x52) == b"\xf5\x03"  # still starting up


def test_enforced_encryption_answers_fa_but_lets_keys_be_made() -> None:
    host = SspHost(SspProfile(encryption="enforced"))
    host.sync()
    assert host.plain(0x05) == b"\xfa"
    host.keys()
    assert host.plain(0x05) == b"\xfa"
    reply = host.secure(0x05)
    assert reply is not None
    assert reply[0] == 0xF0


def test_a_plain_poll_never_shows_a_credit() -> None:
    host = SspHost()
    host.start()
    host.world.insert("CNY", 10000)
    host.scheduler.advance(0.5)
    host.plain(0x07)
    host.plain(0x07)
    host.scheduler.advance(0.3)
    reply = host.plain(0x07)
    assert reply is not None
    assert reply[0] == 0x7E
    assert host.session.reply(reply[1:])[:3] == b"\xf0\xee\x06"


@pytest.mark.parametrize(("value", "reply"), [(4, b"\xf4"), (1 << 62, b"\xf4"), (7919, b"\xf0"), (2**61 - 1, b"\xf0")])
def test_generator_must_be_prime(value: int, reply: bytes) -> None:
    host = SspHost()
    host.sync()
    assert host.plain(0x4A, value.to_bytes(8, "little")) == reply


def test_key_exchange_without_primes_fails() -> None:
    host = SspHost()
    host.sync()
    assert host.plain(0x4C, bytes(8)) == b"\xf8"


@pytest.mark.parametrize(("bad_key", "reply"), [("key_not_set", b"\xfa"), ("silent", None)])
def test_wrong_key(bad_key: str, reply: bytes | None) -> None:
    host = SspHost(SspProfile(bad_key=bad_key))  # type: ignore[arg-type]
    host.start()
    host.session.fixed_key ^= 1
    host.session.exchange(12345, 678)
    assert host.secure(0x56) == reply


def test_lost_and_spoilt_replies_have_been_executed() -> None:
    host = SspHost()
    host.start()
    host.world.fault("validator", "lost_reply", command=0x09)
    assert host.plain(0x09) is None
    assert host.again() == b"\xf0"
    host.flag ^= 1
    host.world.fault("validator", "corrupt_reply")
    assert host.plain(0x0A) is None
    assert host.again() == b"\xf0"


def test_unknown_commands_and_wrong_parameters() -> None:
    host = SspHost()
    host.start()
    assert host.plain(0x41) == b"\xf2"  # a note float's command
    assert host.plain(0x65) == b"\xf2"  # TEBS
    assert host.plain(0x06) == b"\xf3"
    assert host.plain(0x02, b"\xff") == b"\xf3"
    assert host.plain(0x06, b"\x09") == b"\xf8"
    assert host.plain(0x4D, b"\x00\x00") == b"\xf0"
