"""Decoders of the bus and the configuration, and those of the simulator, which shares none with the product."""

import contextlib
import tempfile
from pathlib import Path

from hwsim.devices import modbus_rtu
from hwsim.devices.cctalk_packet import PacketCounter
from hwsim.devices.ebds_frame import Listener
from hwsim.devices.escpos_parser import EscposParser
from hwsim.devices.ssp_codes import decode_events, encode_event
from hwsim.devices.ssp_frame import Frame, FrameDecoder
from hwsim.devices.ssp_layout import LayoutError
from hwsim.devices.zpl_parser import ZplParser
from hwsim.errors import ScenarioError
from hwsim.scenario import parse_scenario
from kiosk.bus.frames import LENGTH, FrameError, decode_answer, decode_request, encode_frame
from kiosk.config.loading import config_hash, load_config
from kiosk.errors import ConfigError, VerificationError
from kiosk.messages import Depositor, Identify, Ok, Resume
from kiosk.verifier.reading import sort
from tests.fuzz.target import Targets, pieces

TARGETS = Targets()
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-config-")
_ROOT = Path(__file__).parents[2]


def _body(message: Identify | Depositor | Resume | Ok) -> bytes:
    return encode_frame(1, message)[LENGTH.size :]


@TARGETS.add([_body(Identify("79927398713")), _body(Depositor("confirm")), _body(Resume("123456")), _body(Ok())])
def bus_message(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(FrameError):
            decode(data)


@TARGETS.add([(_ROOT / "systemd/kiosk.toml.example").read_bytes(), (_ROOT / "systemd/cash-cny.toml").read_bytes()])
def config_file(data: bytes) -> None:
    path = Path(_FOLDER.name) / "kiosk.toml"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        config_hash(load_config(path))


@TARGETS.add([b"opening\n\nproof", b"c2sp.org/tlog-proof@v1\nindex 0\n\n"])
def receipt_texts(data: bytes) -> None:
    with contextlib.suppress(VerificationError, ConfigError):
        sort(data.decode("utf-8", "replace"))


@TARGETS.add([(_ROOT / "tests/scenario/demo.toml").read_bytes(), b"[world]\nslots = 3\n"])
def hwsim_scenario(data: bytes) -> None:
    with contextlib.suppress(ScenarioError):
        parse_scenario(data.decode("utf-8", "replace"))


@TARGETS.add([Frame(0, 1, b"\x11").encode(), Frame(0, 0, b"\x7f\x7f").encode()])
def hwsim_ssp_frame(data: bytes) -> None:
    decoder = FrameDecoder()
    for chunk in pieces(data):
        list(decoder.feed(chunk))
    good = Frame(0, 1, b"\x07")
    assert good in [*decoder.feed(b"\x7f\x00"), *decoder.feed(good.encode()), *decoder.feed(good.encode())]


@TARGETS.add([bytes.fromhex("ee06cc"), bytes.fromhex("da0110270000434e59")])
def hwsim_ssp_events(data: bytes) -> None:
    with contextlib.suppress(LayoutError):
        events = decode_events(data)
        assert b"".join(encode_event(code, values, 8) for code, values in events) == data


@TARGETS.add([modbus_rtu.seal(1, bytes.fromhex("0400000004")), modbus_rtu.seal(1, bytes.fromhex("100000000102abcd"))])
def hwsim_modbus(data: bytes) -> None:
    receiver = modbus_rtu.RequestReceiver(1.0)
    for chunk in pieces(data):
        for request in receiver.feed(chunk, 0.0):
            with contextlib.suppress(modbus_rtu.ModbusRefusal):
                if request.function == 16:
                    modbus_rtu.written_values(request)
                else:
                    modbus_rtu.read_slice(request, range(64))
    good = modbus_rtu.seal(1, bytes.fromhex("0400000004"))
    assert len(list(receiver.feed(good, 10.0))) == 1


@TARGETS.add([b"^XA^PW832^FO10,10^A0N,30,30^FH^FDtext_41^FS^XZ~HS", b"^XA^BCN,80^FDB-1^FS^BQN,2,5^FDMA,qr^FS^XZ"])
def hwsim_zpl(data: bytes) -> None:
    formats: list[object] = []
    parser = ZplParser(formats.append, lambda _name, _parameters: None)
    for chunk in pieces(data):
        parser.feed(chunk)


@TARGETS.add(
    [b"\x1b@\x1d!\x11text\n\x1dV\x41\x00", b"\x1d(k\x04\x001A2\x00\x1d(k\x05\x001P0ab\x1d(k\x03\x001Q0\x10\x04\x01"]
)
def hwsim_escpos(data: bytes) -> None:
    parser = EscposParser(lambda _op, _size: None)
    for chunk in pieces(data):
        parser.feed(chunk)


@TARGETS.add([bytes.fromhex("280001fed9"), bytes.fromhex("28019a01002d")])
def hwsim_cctalk(data: bytes) -> None:
    for crc in (False, True):
        counter = PacketCounter(crc=crc)
        for chunk in pieces(data):
            for packet in counter.feed(chunk, 0.0):
                assert packet.encode(crc=crc)
        good = bytes.fromhex("280046013f" if crc else "280001fed9")
        assert len(list(counter.feed(good, 1.0))) == 1


@TARGETS.add([bytes.fromhex("0208107f1c00036b"), bytes.fromhex("0208601f0000040373")])
def hwsim_ebds(data: bytes) -> None:
    listener = Listener()
    for chunk in pieces(data):
        for message in listener.feed(chunk, 0.0):
            assert message.wire()
    good = bytes((0x02, 0x08, 0x10, 0x7F, 0x1C, 0x00, 0x03, 0x08 ^ 0x10 ^ 0x7F ^ 0x1C))
    assert len(listener.feed(good, 10.0)) == 1
