"""Which language a page is in, and its texts, dates and numbers in it."""

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations
from flask import Response
from flask import request as asked
from jinja2 import Environment

from open311.notify.texts import ENGLISH
from open311.web.access import is_kept_to_tls
from schemas.moment import SECOND

# As a browser asks for it and a page says it, with the name by which its readers know it.  English stands in the code.
LANGUAGES: Mapping[str, str] = {"en": "English", "es": "Español", "zh": "中文"}
ARGUMENT, COOKIE = "lang", "open311_language"

# Of this call, where it keeps them: some calls share an application's context.
_SPOKEN, _CHOSEN = "open311.language", "open311.chosen_language"
_TEXTS = Path(__file__).with_name("texts")
_YEAR_SECONDS = 31_536_000
# Spanish as it is written where its point stands before the decimals, as in our hints.
_LOCALES = {"es": "es_US", "zh": "zh_Hans"}
# What takes less time than this is said in the next smaller unit.
_UNIT_SHARE = 1.5


def language() -> str:
    """The code of the language: what the address says, else what was chosen before, else what the browser prefers."""
    found: str | None = asked.environ.get(_SPOKEN)
    if found is None:
        found = _asked_for() or _known(asked.cookies.get(COOKIE)) or _preferred() or ENGLISH
        asked.environ[_SPOKEN] = found
    return found


def speak(code: str) -> None:
    """Answer this call in a language, and remember it; one that we do not speak changes nothing."""
    if code in LANGUAGES:
        asked.environ[_SPOKEN] = asked.environ[_CHOSEN] = code


def prefer(code: str) -> None:
    """Answer this call in a language, unless one was chosen; one that we do not speak changes nothing."""
    chosen = asked.environ.get(_CHOSEN) or _asked_for() or _known(asked.cookies.get(COOKIE))
    if code in LANGUAGES and chosen is None:
        asked.environ[_SPOKEN] = code


def remember(response: Response) -> Response:
    """The response with a cookie of the language, where one was chosen with this call."""
    chosen = asked.environ.get(_CHOSEN) or _asked_for()
    if chosen is not None:
        response.set_cookie(COOKIE, chosen, max_age=_YEAR_SECONDS, httponly=True, samesite="Lax", secure=is_kept_to_tls())
    return response


def gettext(text: str, /, **said: Any) -> str:
    """A text in the language, with what is said in it: _("%(count)s hours", count=3)."""
    found = _translations(language()).gettext(text)
    return found % said if said else found


def ngettext(one: str, many: str, count: int, /, **said: Any) -> str:
    """A text in the language for so many of something, which it may name as %(num)s."""
    return _translations(language()).ngettext(one, many, count) % {"num": number(count), **said}


def marked(text: str) -> str:
    """The text itself, marked as one to translate where it is shown."""
    return text


def texts(code: str) -> dict[str, str | list[str]]:
    """Every text of a language by the English one; one of several numbers by that of one, as a list."""
    found: dict[str, str | list[str]] = {}
    for message in _catalog(code) or ():
        if isinstance(message.id, str):
            found[message.id] = str(message.string)
        else:
            found[message.id[0]] = [str(each) for each in message.string or ()]
    return {text: said for text, said in found.items() if text and any(said)}


def direction() -> str:
    """ltr or rtl."""
    return locale().text_direction


def locale() -> Locale:
    """How the language writes dates and numbers."""
    return Locale.parse(_LOCALES.get(language(), language()))


def day(moment: datetime, zone: Any) -> str:
    """The date, by the city's clock."""
    return format_date(moment.astimezone(zone), "long", locale=locale())


def month(day: date) -> str:
    """The name of the month that a day is in."""
    return format_date(day, "LLLL", locale=locale())


def day_and_time(moment: datetime, zone: Any) -> str:
    """The date and the time of day, by the city's clock."""
    time = format_time(moment, "short", tzinfo=zone, locale=locale())
    return f"{day(moment, zone)}, {time}".replace("\u202f", "\u00a0")


def how_long(seconds: float) -> str:
    """A length of time in its largest unit: 3 days."""
    return format_timedelta(max(timedelta(seconds=seconds), SECOND), threshold=_UNIT_SHARE, locale=locale())


def number(value: float) -> str:
    """A number, with at most two places behind its point."""
    return format_decimal(round(value, 2), locale=locale())


def share(value: float) -> str:
    """A share of one as a percentage."""
    return format_percent(value, locale=locale())


def prepare(templates: Environment) -> None:
    """Let templates say _("…") and ngettext("…", "…", count), and write dates and numbers."""
    templates.add_extension("jinja2.ext.i18n")
    look_up: Callable[[str], str] = lambda text: _translations(language()).gettext(text)  # noqa: E731
    count: Callable[[str, str, int], str] = lambda *texts: _translations(language()).ngettext(*texts)  # noqa: E731
    templates.install_gettext_callables(look_up, count, newstyle=True)  # type: ignore[attr-defined]
    templates.filters.update(day=day, month=month, day_and_time=day_and_time, how_long=how_long, number=number, share=share)


def _asked_for() -> str | None:
    return _known(asked.args.get(ARGUMENT))


def _preferred() -> str | None:
    """What the browser likes best of ours; of zh-TW and the like the first part."""
    wished = (code.split("-")[0].lower() for code, quality in asked.accept_languages if quality > 0)
    return next((code for code in wished if code in LANGUAGES), None)


def _known(code: str | None) -> str | None:
    return code if code in LANGUAGES else None


@cache
def _translations(code: str) -> NullTranslations:
    catalog = _catalog(code)
    if catalog is None:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


@cache
def _catalog(code: str) -> Catalog | None:
    """The texts of a language, read once from its file: there is no compiled copy that could be an older one."""
    path = _TEXTS / f"{code}.po"
    if not path.exists():
        return None
    with path.open("rb") as file:
        return read_po(file, locale=_LOCALES.get(code, code))
