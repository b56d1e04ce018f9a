"""Text as it may be kept and printed: no control characters, one kind of line end."""

import re

# What XML 1.0 cannot carry (and JSON had better not): C0 controls but tab and line feed, DEL to C1, surrogates, non-characters.
NOT_PRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: str) -> str:
    """The text with CRLF and CR as LF, without characters that cannot be printed, without white space around it."""
    return NOT_PRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def one_line(text: str) -> str:
    """The clean text with every run of white space as one space."""
    return " ".join(clean(text).split())
