"""Columns of cells with their kinds: one kind mostly, one way of writing or several, and what goes wrong in real tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from cellkinds import identifiers as ids
from cellkinds import styles
from cellkinds.numbers_written import NUMBERS
from cellkinds.ordinary import FREE_TEXT, OTHER
from cellkinds.people import ADDRESSES, NAMES, Template

Templates = Mapping[str, Mapping[str, Sequence[Template]]]
TEMPLATES: Final[Templates] = {
    "person_name": NAMES,
    "postal_address": ADDRESSES,
    **NUMBERS,
    "free_text": FREE_TEXT,
    "other": OTHER,
}
HEADERS: Final[Mapping[str, str]] = {
    "person_name": "name|full name|customer|姓名|客户姓名|户名|联系人|ФИО|имя|клиент|фамилия|owner|contact person",
    "postal_address": "address|home address|地址|住址|联系地址|адрес|адрес проживания|street|место жительства|addr",
    "phone": "phone|mobile|tel|手机|电话|手机号|联系电话|телефон|моб. тел.|phone_number|contact",
    "email": "email|e-mail|邮箱|电子邮件|почта|mail|эл. почта",
    "passport_ru": "паспорт|passport|серия и номер|паспортные данные|护照",
    "passport_cn": "护照|护照号码|passport|passport_no|паспорт",
    "resident_id_cn": "身份证|身份证号|证件号码|id card|resident id|номер удостоверения",
    "inn_ru": "ИНН|инн|inn|tax id|налоговый номер",
    "ogrn_ru": "ОГРН|огрн|ogrn|регистрационный номер|ОГРНИП",
    "snils_ru": "СНИЛС|снилс|snils|страховой номер",
    "uscc_cn": "统一社会信用代码|信用代码|uscc|company code|税号",
    "bank_card": "card|card number|卡号|银行卡|银行卡号|номер карты|карта|pan|card_no",
    "bank_account": "account|账号|银行账号|对公账户|счёт|расчётный счёт|р/с|account_no|acct",
    "iban": "iban|IBAN|account iban|счёт IBAN",
    "bic": "bic|swift|SWIFT code|БИК|бик|bank code|联行号",
    "birth_date": "birth date|dob|出生日期|生日|дата рождения|birthday|born|д.р.",
    "vehicle_plate": "plate|车牌|车牌号|госномер|номер авто|license plate|vehicle",
    "ip_address": "ip|ip address|IP地址|client_ip|IP-адрес|host|addr",
    "mac_address": "mac|MAC地址|mac address|MAC-адрес|hwaddr|device",
    "secret": "password|密码|пароль|secret|api_key|key|口令|pass",
    "device_token": "token|device token|令牌|токен|push_token|session|auth",
    "amount": "amount|金额|сумма|balance|余额|остаток|price|total|цена|价格",
    "free_text": "comment|备注|комментарий|note|notes|说明|примечание|remark|description|описание",
    "other": "id|status|type|date|code|状态|类型|编号|日期|статус|тип|код|дата|number|номер|qty|数量|город|city|job|职业|должность|company|公司|time|версия|"
             "version|comment|备注|комментарий|order|订单号|serial|url|hash|product|товар|名称|department|value|key|ref|заказ|sku|barcode|note",
}  # fmt: skip
_NO_HEADERS: Final = ("", "", "", "col1", "column_3", "F7", "字段2", "поле4", "value", "data", "field", "列5", "x")
_TYPED_WRONG: Final = frozenset(
    TEMPLATE for TEMPLATE in TEMPLATES if TEMPLATE not in ("other", "free_text", "secret", "device_token")
)


@dataclass(frozen=True)
class Troubles:
    """Shares of cells or columns that something is wrong with."""

    shifted_columns: float = 0.15
    shifted_cells: float = 0.25
    typing_errors: float = 0.04
    full_width: float = 0.04
    mixed_scripts: float = 0.03
    empty: float = 0.02
    headers: float = 0.55


@dataclass(frozen=True)
class Labelled:
    """A column and the kind of each of its cells."""

    header: str
    values: tuple[str, ...]
    kinds: tuple[str, ...]
    script: str


def column(
    chance: Random,
    kind: str,
    script: str,
    rows: int,
    templates: Templates = TEMPLATES,
    headers: Mapping[str, str] = HEADERS,
    troubles: Troubles | None = None,
    *,
    restyle: bool = True,
) -> Labelled:
    """A column mostly of one kind; a header is right, meaningless or missing. `restyle`: other layouts by chance, too."""
    wrong = troubles or Troubles()
    header = chance.choice(headers[kind].split("|")) if chance.random() < wrong.headers else chance.choice(_NO_HEADERS)
    ways = list(templates[kind][script])
    few = chance.sample(ways, min(len(ways), chance.choice((1, 1, 2, len(ways)))))
    if kind == "other" and chance.random() < 0.2:
        few = [_same_length(chance.choice((8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)))]
    few = [styles.restyled(chance, kind, way, headers) for way in few] if restyle else few
    shifted = chance.random() < wrong.shifted_columns
    values: list[str] = []
    kinds: list[str] = []
    for _ in range(rows):
        of, by, ways_here = kind, script, few
        if shifted and chance.random() < wrong.shifted_cells:
            of = chance.choice(list(templates))
            by = chance.choice(list(templates[of]))
            ways_here = [styles.restyled(chance, of, way, headers) if restyle else way for way in templates[of][by]]
        text = chance.choice(ways_here)(chance)
        values.append(_spoilt(chance, of, text, wrong))
        kinds.append(of)
    return Labelled(header, tuple(values), tuple(kinds), script)


def _same_length(count: int) -> Template:
    return lambda chance: ids.digits(chance, count)


def _spoilt(chance: Random, kind: str, text: str, wrong: Troubles) -> str:
    drawn = chance.random()
    if drawn < wrong.typing_errors and kind in _TYPED_WRONG:
        return ids.with_typing_error(chance, text)
    if drawn < wrong.typing_errors + wrong.full_width:
        return ids.full_width(text)
    if drawn < wrong.typing_errors + wrong.full_width + wrong.mixed_scripts:
        return ids.mixed_script(chance, text)
    return f" {text} " if chance.random() < 0.02 else text


def columns(seed: int, cells: int) -> list[Labelled]:
    """Columns of all kinds and scripts, `cells` cells together, of one row to forty."""
    chance = Random(seed)
    each = [(kind, script) for kind, by in TEMPLATES.items() for script in by]
    each += [("other", script) for script in OTHER] * 5 + [("person_name", script) for script in NAMES]
    each += [("free_text", script) for script in FREE_TEXT] * 2
    made: list[Labelled] = []
    left = cells
    while left > 0:
        kind, script = chance.choice(each)
        rows = chance.choice((1, 1, 2, 5, 10, 20, 40))
        made.append(column(chance, kind, script, rows))
        left -= rows
    return made
