"""Training templates of what is not protected, and of text that holds protected data.

`OTHER`: words, occupations, companies, places alone, states of things, measures, times, codes, hashes, numbers of any
length, sentences. `FREE_TEXT`: sentences with one or two identifiers, names or addresses in them. The same sentences
without any are `other`, so it is what they hold that decides.
"""

import re
import string
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pydoc_data import topics
from random import Random
from typing import Final

from babel import Locale

from cellkinds import identifiers as ids
from cellkinds.numbers_written import NUMBERS
from cellkinds.people import ADDRESSES, NAMES, Template
from cellkinds.wording import held_out, known, one

_HEX: Final = "0123456789abcdef"
_WORDS: Final = {
    "zh": ["已完成", "处理中", "待审核", "已取消", "正常", "异常", "启用", "停用", "是", "否", "无", "男", "女", "未知", "成功", "失败", "人民币", "美元", "活期", "定期", "储蓄", "贷款", "转账", "存款", "取款", "汇款", "理财", "保险", "基金", "股票", "营业部", "支行", "分行", "总行", "柜台", "自助终端", "手机银行", "网上银行", "客户经理", "电热水壶", "红富士苹果", "笔记本电脑", "打印机", "办公桌", "矿泉水", "大米", "面粉", "牛奶", "鸡蛋", "白菜", "土豆", "汽车", "自行车", "冰箱", "洗衣机", "电视机", "红色", "蓝色", "绿色", "黄色", "白色", "黑色", "大号", "小号", "中号", "春季", "夏季", "秋季", "冬季", "星期一", "星期五", "上午", "下午", "高级", "中级", "初级", "本科", "硕士", "博士", "已婚", "未婚", "汉族", "回族", "财务部", "人事部", "技术部", "市场部", "项目", "合同", "发票", "收据", "订单", "快递", "包裹", "温度", "湿度", "电压", "门已关", "门打开", "纸币", "硬币", "面额", "张数", "机器", "故障", "维修", "保养", "检查", "验收", "备注", "说明", "标题", "名称", "类型", "状态", "日期", "时间", "数量", "单价", "合计", "余额", "利率", "期限", "百分比", "高风险", "低风险", "马上到", "高兴", "黄金", "白糖", "江水", "金属", "石油", "水果", "方案", "安全", "平安", "常见", "成本", "程序", "毛巾", "花生", "严重", "温和", "夏天", "时尚", "田间", "万元", "关闭", "连接", "单位", "经济", "和平", "明天", "文件", "古代", "全部", "管理", "钱包", "方便", "康复"],
    "en": ["completed", "pending", "approved", "cancelled", "active", "inactive", "yes", "no", "none", "male", "female", "unknown", "success", "failed", "savings", "current", "loan", "transfer", "deposit", "withdrawal", "branch", "counter", "kiosk", "terminal", "laptop", "printer", "paper", "water", "bread", "milk", "apple", "car", "bicycle", "red", "blue", "green", "yellow", "white", "black", "large", "small", "medium", "spring", "summer", "autumn", "winter", "monday", "friday", "high", "low", "normal", "warning", "error", "fault", "door", "open", "closed", "banknote", "coin", "temperature", "voltage", "maintenance", "invoice", "receipt", "order", "parcel", "status", "type", "total", "balance", "rate", "Visa", "Mastercard", "euro", "dollar", "rouble", "yuan", "weekly", "monthly", "engineering", "finance", "marketing", "sales", "support", "urgent", "standard", "premium"],
    "ru": ["выполнено", "ожидает", "утверждено", "отменено", "активен", "неактивен", "да", "нет", "мужской", "женский", "неизвестно", "успешно", "ошибка", "вклад", "кредит", "перевод", "взнос", "снятие", "отделение", "касса", "терминал", "ноутбук", "принтер", "бумага", "вода", "хлеб", "молоко", "яблоко", "машина", "велосипед", "красный", "синий", "зелёный", "жёлтый", "белый", "чёрный", "большой", "малый", "весна", "лето", "осень", "зима", "понедельник", "пятница", "высокий", "низкий", "норма", "предупреждение", "сбой", "дверь", "открыта", "закрыта", "банкнота", "монета", "температура", "напряжение", "ремонт", "счёт-фактура", "квитанция", "заказ", "посылка", "статус", "тип", "итого", "остаток", "ставка", "рубль", "доллар", "евро", "юань", "еженедельно", "ежемесячно", "бухгалтерия", "продажи", "поддержка", "срочно", "обычный", "договор", "акт", "накладная"],
}  # fmt: skip
_COMPANY: Final[dict[str, Callable[[Random], str]]] = {
    "zh": lambda c: c.choice(("北京", "上海", "广州", "杭州", "")) + c.choice(("华信", "中天", "鼎盛", "宏图", "智联", "远大", "新世纪", "九方", "金桥")) + c.choice(("科技有限公司", "贸易有限公司", "股份有限公司", "建筑工程公司", "商店", "物流有限公司")),
    "en": lambda c: f"{one(c, 'en', 'word_list').title()}{c.choice(('', '', ' and Sons', ' Brothers', ' & Partners', ' Group'))} {c.choice(('Systems', 'Trading', 'Logistics', 'Foods', 'Partners', 'Motors'))} {c.choice(('Ltd', 'LLC', 'Inc.', 'PLC', 'GmbH'))}",
    "ru": lambda c: f"{c.choice(('ООО', 'АО', 'ПАО', 'ИП', 'ЗАО'))} «{c.choice(('Вектор', 'Рассвет', 'Техсервис', 'Альфа', 'Северный ветер', 'СтройГрад', 'Промснаб', 'Меркурий'))}»",
}  # fmt: skip


def _moment(chance: Random) -> datetime:
    return datetime(2018, 1, 1) + timedelta(seconds=chance.randrange(9 * 365 * 86400))


def _words(chance: Random, script: str) -> str:
    joined = "" if script == "zh" else " "
    count = chance.choice((1, 1, 2, 2, 3))
    text = joined.join(word(chance, script) for _ in range(count))
    return chance.choice((text, text, text.capitalize(), text.title(), text.upper()))


def word(chance: Random, script: str) -> str:
    drawn = chance.random()
    if drawn < 0.3:
        return chance.choice(_WORDS[script])
    if drawn < 0.6:
        return chance.choice(many(script))
    return one(chance, script, "word_list")


@cache
def many(script: str) -> tuple[str, ...]:
    """Thousands of ordinary words: of Python's own manual in English; names of languages, scripts, moneys in all three."""
    locale = Locale.parse({"zh": "zh_Hans_CN", "en": "en_US", "ru": "ru_RU"}[script])
    texts = [*locale.languages.values(), *locale.scripts.values(), *locale.currencies.values()]
    if script == "en":
        texts += topics.topics.values()
    pattern = r"[\u4e00-\u9fff]{2,4}" if script == "zh" else r"[a-z]{3,16}" if script == "en" else r"[а-яё]{3,18}"
    found = sorted({each for text in texts for each in re.findall(pattern, text.lower())})
    return tuple(each for each in found if not held_out(each))


_COMMON_ZH: Final = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指几九区强放决西被干做必战先回则任取据处队南给色光门即保治北造百规热领七海口东导器压志世金增争济阶油思术极交受联什认六共权收证改清己美再采转更单风切打白教速花带安场身车例真务具万每目至达走积示议声报斗完类八离华名确才科张信马节话米整空元况今集温传土许步群广石记需段研界拉林律叫且究观越织装"


def _random_zh(chance: Random) -> str:
    return "".join(chance.choices(_COMMON_ZH, k=chance.randint(2, 5)))


_CODES: Final[list[Template]] = [
    lambda c: ids.digits(c, c.choice((*range(4, 21), 9, 10, 11, 12, 13, 15, 16, 18, 19, 20))),
    lambda c: ids.digits(c, c.choice((10, 11, 12, 13, 15, 16, 18, 19, 20))),
    lambda c: str(c.randint(0, 9999)),
    lambda c: f"{c.choice(('ORD', 'INV', 'TX', 'REQ', 'SKU', 'B'))}-{c.randint(2018, 2026)}-{c.randint(1, 99999):05d}",
    lambda c: f"{c.choice('ABCDEFGH')}{c.randint(1, 99)}-{c.randint(100, 9999)}",
    lambda c: "".join(c.choices(_HEX, k=c.choice((8, 16, 32, 40, 64)))),
    lambda c: str(__import__("uuid").UUID(int=c.getrandbits(128))),
    lambda c: f"{c.randint(0, 20)}.{c.randint(0, 30)}.{c.randint(0, 99)}",
    lambda c: f"{c.uniform(0, 100):.1f}%",
    lambda c: f"{c.uniform(0, 500):.1f} {c.choice(('kg', 'mm', 'V', 'mA', 's', 'MB', 'C', 'km', 'ms'))}",
    lambda c: f"{c.uniform(-1, 1):.4f}",
    lambda c: f"{c.uniform(-90, 90):.5f}, {c.uniform(-180, 180):.5f}",
    lambda c: _moment(c).isoformat(),
    lambda c: f"{_moment(c):%Y-%m-%d %H:%M:%S}",
    lambda c: f"{_moment(c):%H:%M}",
    lambda c: f"{_moment(c):%Y-%m-%d}",
    lambda c: f"{_moment(c):%Y/%m/%d %H:%M}",
    lambda c: f"{_moment(c):%Y%m%d%H%M%S}",
    lambda c: f"{one(c, 'en', 'word_list')}_{one(c, 'en', 'word_list')}.{c.choice(('pdf', 'xlsx', 'csv', 'jpg', 'log'))}",
    lambda c: f"https://{one(c, 'en', 'word_list')}.example/{one(c, 'en', 'word_list')}/{c.randint(1, 999)}",
    lambda c: f"/{one(c, 'en', 'word_list')}/{one(c, 'en', 'word_list')}.{c.choice(('py', 'conf', 'db'))}",
    lambda c: c.choice(("CNY", "RUB", "USD", "EUR", "N/A", "-", "—", "null", "true", "false", "OK", "zh", "ru", "en", "95588", "M", "F", "?")),
    lambda c: f"{''.join(c.choices(string.ascii_uppercase, k=3))}{c.randint(10, 99999)}",
    lambda c: f"{c.randint(1, 400)} x {c.randint(1, 100)}",
    lambda c: f"{c.choice((460, 469, 590, 690))}{ids.digits(c, 10)}",
    lambda c: "".join(c.choices(string.ascii_letters, k=c.randint(3, 12))),
]  # fmt: skip
# Sentences; {0} and {1} take protected data in free text, and harmless words in `other`.
SENTENCES: Final = {
    "zh": ("客户来电要求把款项转到{0}，请尽快处理", "{0}已核实，资料齐全", "请联系{0}确认收货", "退款原路返回{0}，三个工作日到账", "代办人{0}持证件办理业务", "把文件寄到{0}，谢谢",
           "昨天下午{0}来过网点，情况已登记", "用户反映{0}无法使用，需要更换为{1}", "备注：{0}；{1}", "新信息是{0}，旧的作废", "经查，{0}与系统记录一致", "与{0}签订合同，见附件", "此单由{0}负责，到{1}为止"),
    "en": ("Customer asked to send the refund to {0}, please hurry", "Called {0} twice, no answer", "Documents checked, {0} is correct", "Please contact {0} about the delivery", "Moved from {0} last month",
           "He said that {0} does not work and wants {1} instead", "See {0} for details", "Note: {0}; {1}", "spoke with {0} about the complaint", "New one is {0}, the old one is no longer valid", "paid by {0} on behalf of {1}", "left a parcel for {0} at the counter"),
    "ru": ("Клиент просил вернуть деньги на {0}, срочно", "Звонили два раза на {0}, никто не ответил", "Документы проверены, {0} верно", "Просьба связаться с {0} по поводу доставки", "Переехал, новый адрес: {0}",
           "Сообщил, что {0} не работает, нужно заменить на {1}", "См. {0}, подробности в приложении", "Примечание: {0}; {1}", "говорил с {0} о жалобе", "Новые данные {0}, старые недействительны", "оплатил {0} за {1}", "по заявлению от {0} принято решение"),
}  # fmt: skip


def protected(chance: Random, script: str) -> str:
    """Something protected as people of this script would write it within a sentence."""
    drawn = chance.random()
    if drawn < 0.25:
        return chance.choice(NAMES[script][:4])(chance)
    if drawn < 0.35:
        return chance.choice(ADDRESSES[script])(chance)
    own = [by for name, by in NUMBERS.items() if name not in ("amount", "vehicle_plate", "birth_date", "bic")]
    by = chance.choice([each for each in own if script in each or "en" in each])
    return chance.choice(by.get(script) or by["en"])(chance)


def harmless(chance: Random, script: str) -> str:
    """Something that is not."""
    return chance.choice((
        lambda: _words(chance, script), lambda: _COMPANY[script](chance), lambda: one(chance, script, "jobs"),
        lambda: str(chance.randint(1, 5000)), lambda: chance.choice(NUMBERS["amount"][script])(chance), lambda: chance.choice(_CODES[2:8])(chance),
    ))()  # fmt: skip


def sentence(chance: Random, script: str, *, holds: bool, sentences: tuple[str, ...] | None = None) -> str:
    """A sentence; `holds`: with protected data in it. Either with words before or after it, sometimes."""
    pattern = chance.choice(sentences or SENTENCES[script])
    fill = [protected(chance, script) if holds else harmless(chance, script), harmless(chance, script)]
    if "{1}" in pattern and chance.random() < 0.5:
        fill.reverse()
    text = pattern.format(*fill)
    extra = " ".join(word(chance, script) for _ in range(chance.randint(1, 4)))
    return chance.choice((text, text, f"{text}, {extra}", f"{extra}. {text}"))


def _template(script: str, make: Callable[[Random, str], str]) -> Template:
    return lambda chance: make(chance, script)


def _places(script: str) -> list[Template]:
    return [_template(script, lambda c, s: c.choice(known(s, "countries"))), *({
        "zh": [lambda c: one(c, "zh", "cities"), lambda c: one(c, "zh", "provinces"), _random_zh],
        "en": [lambda c: one(c, "en", "states")],
        "ru": [lambda c: one(c, "ru", "city_names").partition(" (")[0]],
    }[script])]  # fmt: skip


FREE_TEXT: Final[dict[str, list[Template]]] = {
    script: [_template(script, lambda c, s: sentence(c, s, holds=True))] for script in ("zh", "en", "ru")
}
OTHER: Final[dict[str, list[Template]]] = {
    script: [
        *[_template(script, _words)] * 5,
        _template(script, word),
        _template(script, word),
        _template(script, lambda c, s: one(c, s, "jobs")),
        _template(script, lambda c, s: one(c, s, "jobs")),
        _COMPANY[script],
        *_places(script),
        *[_template(script, lambda c, s: sentence(c, s, holds=False))] * 6,
        _template(script, lambda c, s: " ".join(word(c, s) for _ in range(c.randint(4, 12)))),
        *_CODES,
    ]
    for script in ("zh", "en", "ru")
}
