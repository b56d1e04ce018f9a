"""Names of districts among GET arguments: LAYER:CODE, such as council:8.  Our extension; docs/open-data.md."""

import re
from collections.abc import Mapping, Sequence

from schemas.text import clean

# A code may have a comma of its own.
_END = re.compile(r",(?=\s*[A-Za-z0-9_-]+:)")


def read_districts_among(arguments: Mapping[str, Sequence[str]], problems: list[str]) -> list[tuple[str, str]]:
    """Those of the argument `district`, as read_district_names; an empty one is as if absent."""
    return read_district_names([text for text in arguments.get("district", ()) if text.strip(" ,")], problems)


def read_district_names(texts: Sequence[str], problems: list[str], *, name: str = "district") -> list[tuple[str, str]]:
    """(layer, code) of each, comma delimited or repeated, none twice; what is no name is told among the problems."""
    found = []
    for text in [each for several in texts for each in _END.split(several)]:
        word = clean(text).strip(" ,")
        if not word and len(texts) > 1:
            continue
        layer, _, code = (part.strip() for part in word.partition(":"))
        if layer and code:
            found.append((layer, code))
        else:
            problems.append(f"{name} must be LAYER:CODE, got {word[:100]!r}")
    return list(dict.fromkeys(found))
