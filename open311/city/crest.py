"""A city's crest: a picture of its folder that draws and does nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from lxml import etree
from PIL import Image
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from open311.city.lines import BadFile
from open311.models import Crest

MAX_BYTES = 50_000
MAX_PIXELS = 2000
SVG, PNG = "image/svg+xml", "image/png"
# Content type by the ending of the name.
KINDS = {".svg": SVG, ".png": PNG}

_SVG_NAMESPACE = "http://www.w3.org/2000/svg"
_DRAWING = {
    *("svg", "g", "defs", "symbol", "use", "switch", "title", "desc", "style", "text", "tspan", "textPath"),
    *("path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "marker"),
    *("linearGradient", "radialGradient", "stop", "pattern", "clipPath", "mask"),
}
_LINKS = ("href", "src")
# What CSS fetches, or may hide such a thing behind; a part of the picture itself (#name) is none.
_FETCHING = re.compile(r"(?:url|src|image|image-set|cross-fade|element)\s*\(\s*(?!\s*[\"']?#)|@(?!media\b)|\\", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class NewCrest:
    """A crest as it stands in a folder."""

    content_type: str
    content: bytes

    @property
    def name(self) -> str:
        """What its file is called."""
        return next(f"crest{ending}" for ending, kind in KINDS.items() if kind == self.content_type)


def read_crest(folder: Path) -> NewCrest | None:
    """The crest of a city's folder, None when it has none.  Raises BadFile for what is none, or would do anything but draw."""
    found = [path for ending in KINDS if (path := folder / f"crest{ending}").exists()]
    if not found:
        return None
    path = found[0]
    if len(found) > 1:
        raise BadFile([f"{found[1]}:1: must not stand beside {path.name}: a city has one crest"])
    if not path.is_file():
        raise BadFile([f"{path}:1: must be a regular file"])
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadFile([f"{path}:1: cannot be read: {error.strerror}"]) from error
    if len(content) > MAX_BYTES:
        raise BadFile([f"{path}:1: must have at most {MAX_BYTES} bytes"])
    kind = KINDS[path.suffix]
    problems = [f"{path}:{line}: {said}" for line, said in (_svg_problems if kind == SVG else _png_problems)(content)]
    if problems:
        raise BadFile(problems)
    return NewCrest(content_type=kind, content=content)


def put_crest(session: Session, city_id: int, crest: NewCrest | None) -> None:
    """Put a crest in place of what the city had; None: it has none."""
    session.execute(delete(Crest).where(Crest.jurisdiction_id == city_id))
    if crest is not None:
        digest = sha256(crest.content).hexdigest()
        session.execute(
            insert(Crest).values(jurisdiction_id=city_id, content_type=crest.content_type, content=crest.content, digest=digest)
        )


def _png_problems(content: bytes) -> Iterator[tuple[int, str]]:
    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            if max(image.size) > MAX_PIXELS:
                yield 1, f"must be at most {MAX_PIXELS} pixels wide and high, got {image.width} x {image.height}"
                return
            if getattr(image, "is_animated", False):
                yield 1, "must not move"
            image.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        yield 1, f"not a PNG that can be read: {error if isinstance(error, ValueError) else 'it is damaged or something else'}"


def _svg_problems(content: bytes) -> Iterator[tuple[int, str]]:
    """Line, and what is wrong there."""
    # Nothing is fetched, and no entity is put in place of its name.
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False)
    try:
        root: Any = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        yield error.lineno or 1, f"not XML: {error.msg}"
        return
    if root.tag != f"{{{_SVG_NAMESPACE}}}svg":
        yield root.sourceline or 1, f'must be an <svg xmlns="{_SVG_NAMESPACE}">, got <{etree.QName(root).localname}>'
        return
    if root.getroottree().docinfo.doctype:
        yield 1, "must not have a DOCTYPE"
    if root.get("viewBox") is None:
        yield root.sourceline or 1, "must have a viewBox, so that it can be drawn in any size"
    for instruction in root.xpath("preceding-sibling::processing-instruction() | //processing-instruction()"):
        yield instruction.sourceline or 1, f"must not hold the instruction <?{instruction.target}?>"
    for element in root.iter("*"):
        yield from ((element.sourceline or 1, said) for said in _element_problems(element))


def _element_problems(element: Any) -> Iterator[str]:
    name = etree.QName(element)
    if name.namespace != _SVG_NAMESPACE:
        yield f"must not hold <{name.localname}>, which is not SVG: save it as plain SVG"
        return
    if name.localname not in _DRAWING:
        yield f"must not hold <{name.localname}>: a crest draws shapes and does nothing else"
        return
    if name.localname == "style" and _FETCHING.search("".join(element.itertext())):
        yield "must not hold styles that fetch anything"
    for attribute, value in element.attrib.items():
        called = etree.QName(attribute).localname
        if called.lower().startswith("on"):
            yield f"must not hold {called}, which acts by itself"
        elif called == "base":
            yield "must not hold xml:base"
        elif called in _LINKS and not value.strip().startswith("#"):
            yield f"must not lead elsewhere, got {called}={value[:60]!r}"
        elif _FETCHING.search(value):
            yield f"must not fetch anything, got {called}={value[:60]!r}"
