"""A new client certificate beside the old one: what may take its place, and a swap that a crash breaks off."""

import shutil
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from kiosk.uplink import renewal
from kiosk.uplink.renewal import NotRenewable, beside
from kiosk.uplink.trouble import in_words
from kiosk_cloud.pki import Authority, utc_now

NOW = utc_now()


class Place:
    """An authority, a kiosk's certificate, and how files get beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder, NOW)
        self.authority.client("kiosk", "demo-0001")
        self.authority.client("other", "demo-0002")
        self.cert, self.key = folder / "kiosk.pem", folder / "kiosk.key"

    def renewed(self, later_days: int = 1) -> None:
        Authority(self.folder, NOW + timedelta(days=later_days)).renew("kiosk")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def contents(*paths: Path) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def test_nothing_waits_where_nothing_was_laid(place: Place) -> None:
    assert renewal.pending(place.cert, place.key) is None
    assert not renewal.repair(place.cert, place.key)


def test_a_new_pair_takes_the_place_of_the_old_one_which_stays_beside_it(place: Place) -> None:
    old = contents(place.cert, place.key)
    place.renewed()
    new = contents(beside(place.cert, "new"), beside(place.key, "new"))
    pair = renewal.pending(place.cert, place.key)
    assert pair is not None
    assert (pair.cert, pair.key) == (beside(place.cert, "new"), beside(place.key, "new"))
    renewal.swap(place.cert, place.key)
    assert contents(place.cert, place.key) == new
    assert contents(beside(place.cert, "old"), beside(place.key, "old")) == old
    assert renewal.read(place.cert) == pair.certificate
    assert renewal.pending(place.cert, place.key) is None
    assert {path.stat().st_mode & 0o777 for path in (place.key, beside(place.key, "old"))} == {0o600}


def test_a_new_certificate_for_the_present_key_comes_alone(place: Place) -> None:
    old_key = place.key.read_bytes()
    old_cert = place.cert.read_bytes()
    place.cert.unlink()
    Authority(place.folder, NOW + timedelta(days=1)).client("kiosk", "demo-0001")
    place.cert.rename(beside(place.cert, "new"))
    place.cert.write_bytes(old_cert)
    pair = renewal.pending(place.cert, place.key)
    assert pair is not None
    assert pair.key == place.key
    renewal.swap(place.cert, place.key)
    assert place.key.read_bytes() == old_key
    assert renewal.read(place.cert) == pair.certificate


def _of_another(place: Place) -> None:
    shutil.copy(place.folder / "other.pem", beside(place.cert, "new"))
    shutil.copy(place.folder / "other.key", beside(place.key, "new"))


def _without_its_key(place: Place) -> None:
    place.renewed()
    beside(place.key, "new").unlink()


def _older(place: Place) -> None:
    place.renewed(later_days=-1)


def _rubbish(place: Place) -> None:
    place.renewed()
    beside(place.cert, "new").write_bytes(b"-----BEGIN CERTIFICATE-----\nrubbish\n")


def _rubbish_key(place: Place) -> None:
    place.renewed()
    beside(place.key, "new").write_bytes(b"rubbish")


@pytest.mark.parametrize(
    ("lay", "why"),
    [
        (_of_another, "demo-0002"),
        (_without_its_key, "do not belong together"),
        (_older, "no later"),
        (_rubbish, "no certificate"),
        (_rubbish_key, "no private key"),
    ],
)
def test_what_cannot_take_its_place_is_refused_in_words(place: Place, lay: Callable[[Place], None], why: str) -> None:
    lay(place)
    with pytest.raises(NotRenewable, match=why):
        renewal.pending(place.cert, place.key)


def test_a_swap_that_broke_off_between_its_two_files_is_finished(place: Place) -> None:
    place.renewed()
    new = contents(beside(place.cert, "new"), beside(place.key, "new"))
    beside(place.cert, "new").replace(place.cert)  # the power went here
    assert renewal.repair(place.cert, place.key)
    assert contents(place.cert, place.key) == new
    assert not renewal.repair(place.cert, place.key)


def test_a_stray_key_beside_a_good_pair_is_left_alone(place: Place) -> None:
    shutil.copy(place.folder / "other.key", beside(place.key, "new"))
    assert not renewal.repair(place.cert, place.key)
    assert renewal.pending(place.cert, place.key) is None


@pytest.mark.parametrize(("code", "clock"), [(9, True), (10, True), (18, False)])
def test_a_certificate_out_of_its_time_points_at_the_clock(place: Place, code: int, clock: bool) -> None:
    error = ssl.SSLCertVerificationError("certificate verify failed")
    error.verify_code, error.verify_message = code, "certificate is not yet valid"
    assert ("clock" in in_words(error, place.cert, place.key, place.folder / "ca.pem")) is clock
