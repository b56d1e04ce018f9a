"""Forms that take an e-mail address and write to it: what is wrong is told at its field, and what was typed stays."""

from collections.abc import Callable, Sequence

from open311.api.form import Form
from open311.notify.following import NotAnAddress, TooManyLetters
from open311.web.language import gettext as _
from schemas.text import one_line

FIELD = "email"
Found = Sequence[tuple[str, str]]


def typed(form: Form) -> str:
    """The address of the form."""
    return one_line(form.first(FIELD))


def problems_of(email: str, write: Callable[[], object]) -> Found:
    """What is wrong with the address, by what writing to it says; nothing when a letter is to go."""
    try:
        write()
    except NotAnAddress:
        advice = _("Enter an e-mail address like name@example.org.") if email else _("Enter your e-mail address.")
    except TooManyLetters:
        advice = _("We have written to this address often today. Please look for our message there, or try again tomorrow.")
    else:
        return ()
    return [(FIELD, advice)]


def stale() -> Found:
    """What is said to a browser that did not get its form from us."""
    return [(FIELD, _("Please press the button again: the page was open for long, or this browser keeps no cookies."))]
