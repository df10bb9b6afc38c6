"""The bank's half of the account directory: masked names, the CSV file, versions."""

import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from kiosk.errors import ConfigError
from kiosk.guarantee import directory as statement
from kiosk.guarantee.directory import DirectoryKeys
from kiosk_cloud import config as bank_config
from kiosk_cloud import directory
from kiosk_cloud.cli import main
from kiosk_cloud.explained import EXIT_BROKEN, EXIT_CONFIG
from kiosk_cloud.masking import masked_name
from kiosk_cloud.pki import utc_now
from kiosk_cloud.provision import Provisioned, provision
from tests.uplink_kit import KIOSK, Bank, KioskSide, plan

FIRST, SECOND = "0000111122223337", "0000555566667773"


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("王明", "王*"),
        ("王小明", "王*明"),
        ("欧阳小明", "欧**明"),
        ("王", "*"),
        ("买买提·吐尔逊", "买**·吐**"),
        ("John Doe", "J*** D**"),
        ("  John   Doe ", "J*** D**"),
        ("Mary J. Watson", "M*** *. W*****"),
        ("Anna-Lena O'Neill", "A***-L*** *'N****"),
        ("J", "*"),
        ("Иван Петрович Жуков", "И*** П******* Ж****"),
        ("Ёлкин", "Ё****"),
        ("Nguye\u0302\u0303n Va\u0306n A", "N***** V** *"),
        ("E\u0301lodie", "É*****"),
    ],
)
def test_names_are_masked_as_their_script_wants_it(name: str, masked: str) -> None:
    assert masked_name(name) == masked


@pytest.mark.parametrize("name", ["", "   ", "12345", "Jo\x07hn", "J\u202ehn", "a" * 61, "-", "John <b>"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        masked_name(name)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "accounts.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = written(tmp_path, f'\ufeffaccount,name\r\n0000 1111 2222 3337,王小明\r\n\r\n{SECOND},"Doe Jane"\r\n')
    assert directory.read_accounts(path) == {FIRST: "王*明", SECOND: "D** J***"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the columns must be account,name"),
        ("name,account\n", "line 1: the columns must be account,name"),
        (f"account,name\n{FIRST},John Doe,x\n", "line 2: 3 columns instead of 2"),
        ("account,name\n0000111122223338,John Doe\n", "line 2: this is no account number"),
        (f"account,name\n{FIRST},\n", "line 2: a name has 1 to 60 characters"),
        (f"account,name\n{FIRST},John Doe\n{FIRST},Jane Doe\n", r"line 3: \*\*\*\*3337 is in line 2 already"),
        (f'account,name\n{FIRST},"John\n', "line 2: "),
        (f"account,name\n{FIRST},A{chr(0x1E8D0) * 50}b\n", "line 2: the masked name has more than 96 bytes"),
        (b"account,name\n" + FIRST.encode() + b",\xcd\xf5\xc3\xf7\n", "not UTF-8"),
        (b"x" * (directory.FILE_BYTES_MAX + 1), "longer than"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        directory.read_accounts(written(tmp_path, text))
    assert caught.value.remedy
    assert FIRST not in str(caught.value)


def test_too_many_accounts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "ENTRIES_MAX", 1)
    with pytest.raises(ConfigError, match="2 accounts, at most 1"):
        directory.read_accounts(written(tmp_path, f"account,name\n{FIRST},A B\n{SECOND},C D\n"))


@pytest.fixture
def bank(tmp_path: Path) -> Provisioned:
    return provision(plan(tmp_path), utc_now())


def prepared(bank: Provisioned, names: dict[str, str], kiosk: str = KIOSK) -> directory.Edition:
    return directory.prepare(bank_config.load(bank.bank_config), kiosk, names, utc_now())


def test_versions_grow_with_each_change_and_only_then(bank: Provisioned) -> None:
    first = prepared(bank, {FIRST: "王*明"})
    again = prepared(bank, {FIRST: "王*明"})
    second = prepared(bank, {FIRST: "王*明", SECOND: "J*** D**"})
    back = prepared(bank, {FIRST: "王*明"})
    assert [(each.version, each.new) for each in (first, again, second, back)] == [
        (1, True),
        (1, False),
        (2, True),
        (3, True),
    ]
    assert again.data == first.data


def test_the_provisioned_kiosk_can_read_it_and_another_cannot(bank: Provisioned, tmp_path: Path) -> None:
    other = provision(plan(tmp_path, "demo-0002"), utc_now())
    edition = prepared(bank, {FIRST: "王*明"})
    keys, others = DirectoryKeys.load(bank.kiosk_keys), DirectoryKeys.load(other.kiosk_keys)
    assert keys is not None
    assert others is not None
    found = statement.verify(edition.data, keys.bank_commands, KIOSK)
    assert found.name_of(FIRST, keys.key) == "王*明"
    assert found.name_of(FIRST, others.key) is None


def test_what_was_published_last_is_private_and_not_silently_replaced(bank: Provisioned) -> None:
    prepared(bank, {FIRST: "王*明"})
    path = bank.bank_config.parent / "directories" / f"{KIOSK}.cose"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    kept = path.read_bytes()
    path.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
    with pytest.raises(ConfigError, match="not the directory that was published last"):
        prepared(bank, {SECOND: "J*** D**"})


def test_after_a_loss_the_kiosks_own_records_say_where_to_go_on(bank: Provisioned) -> None:
    side, receiver = KioskSide(bank.kiosk_keys), Bank(bank)
    try:
        for version in (4, 7):
            receiver.take(side.append("service", {"event": "directory_accepted", "version": version}))
        receiver.take(side.append("service", {"event": "started", "state": "idle"}))
    finally:
        side.close()
        receiver.store.close()
    assert prepared(bank, {FIRST: "王*明"}).version == 8


def publish(bank: Provisioned, path: Path, *more: str) -> tuple[int, str]:
    result = CliRunner().invoke(
        main, ["directory", "publish", "--config", str(bank.bank_config), "--file", str(path), *more]
    )
    return result.exit_code, result.output


def test_the_command_says_what_is_wrong(bank: Provisioned, tmp_path: Path) -> None:
    path = written(tmp_path, f"account,name\n{FIRST},John Doe\n")
    code, said = publish(bank, path, "--kiosk", "demo-0009")
    assert (code, "no kiosk demo-0009 is provisioned" in said) == (EXIT_CONFIG, True)
    code, said = publish(bank, tmp_path / "none.csv")
    assert (code, "cannot read" in said) == (EXIT_CONFIG, True)
    code, said = publish(bank, path)
    assert (code, "no connection to" in said) == (EXIT_BROKEN, True), said


def test_a_key_of_one_side_only_is_refused(bank: Provisioned, tmp_path: Path) -> None:
    (bank.bank_config.parent / "keys" / "kiosks" / KIOSK / "directory.key").unlink()
    with pytest.raises(ConfigError, match="the bank's half"):
        provision(plan(tmp_path), utc_now())
