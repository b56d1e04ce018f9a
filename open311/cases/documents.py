"""Documents that come with a request: a PDF, kept as it is when it is one and does nothing by itself."""

import re
import zlib
from collections.abc import Iterator

# What opens, starts, sends or carries something.  Source: ISO 32000-2, 7.11, 12.6, 12.7.
_ACTIVE = ("JavaScript", "Launch", "EmbeddedFile", "OpenAction", "RichMedia", "SubmitForm", "ImportData", "GoToE")
# So short a name as XFA stands in pictures by chance, unless something must follow it.
_ACTIVE_NAME = re.compile(rf"/((?:{'|'.join(_ACTIVE)})(?![a-rt-zA-Z0-9])|XFA(?=[\s\[]))".encode())
_ENCRYPTED = re.compile(rb"/Encrypt\b")
_HEAD = re.compile(rb"%PDF-[12]\.[0-9]\s")
_TAIL = re.compile(rb"startxref\s+([0-9]{1,10})\s+%%EOF\s*\Z")
# Where startxref points to: a table, or a stream that is one.
_TABLE = re.compile(rb"\s{0,10}(xref\b|[0-9]{1,10}\s+[0-9]{1,5}\s+obj\b)")
_TAIL_BYTES = 1024
_ESCAPED = re.compile(rb"#([0-9a-fA-F]{2})")
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
# A stream of objects can be read here only when it is packed in the one way that programs use, or not at all.
_OBJECTS = re.compile(rb"/ObjStm\b")
_NOT_FOR_OBJECTS = re.compile(rb"/(LZW|A85|AHx|RL|DecodeParms|DP|F)\b")
_PACKED_OTHERWISE = re.compile(
    rb"/(LZWDecode|ASCII85Decode|ASCIIHexDecode|RunLengthDecode|Crypt)\b"
    rb"|/Filter\s*[0-9%]|/(FlateDecode|Fl)\s*(%[^\r\n]*\s+)*/(FlateDecode|Fl)\b"
)
_CHUNK_BYTES = 64 * 1024
# Longer than any name looked for, with every sign of it escaped.
_OVERLAP_BYTES = 64


class NotPlain(ValueError):
    """A PDF that cannot be kept; the message, which goes on from the file's name, says why."""


def is_pdf(content: bytes) -> bool:
    """Whether a file says by its first bytes that it is a PDF."""
    return content.startswith(b"%PDF-")


def require_plain(content: bytes, *, max_unpacked_bytes: int) -> None:
    """Raises NotPlain unless it is a whole PDF, with nothing behind its end, that can be looked into and holds nothing active.

    Names are read with their escapes, and looked for in what is packed as well.  max_unpacked_bytes: as much is unpacked.
    """
    tail = _TAIL.search(content, max(0, len(content) - _TAIL_BYTES))
    if not _HEAD.match(content) or tail is None or not _TABLE.match(content, int(tail[1])):
        raise NotPlain("is damaged: it does not end as a PDF does")
    plain = _unescaped(content)
    if _ENCRYPTED.search(plain):
        raise NotPlain("is encrypted, so that it cannot be looked into")
    _refuse_active(plain)
    _refuse_hidden_objects(plain)
    for chunk in _unpacked(content, max_unpacked_bytes):
        _refuse_active(_unescaped(chunk))


def _refuse_active(content: bytes) -> None:
    found = _ACTIVE_NAME.search(content)
    if found:
        raise NotPlain(f"must not hold anything that acts by itself, got /{found[1].decode()}")


def _refuse_hidden_objects(content: bytes) -> None:
    for found in _OBJECTS.finditer(content):
        dictionary = content[content.rfind(b"obj", 0, found.start()) : content.find(b"stream", found.end())]
        if _NOT_FOR_OBJECTS.search(dictionary) or _PACKED_OTHERWISE.search(content):
            raise NotPlain("holds objects that are packed in a way we cannot look into")


def _unescaped(content: bytes) -> bytes:
    """With #xx in names as the byte that it stands for."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), content) if b"#" in content else content


def _unpacked(content: bytes, max_unpacked_bytes: int) -> Iterator[bytes]:
    """What the streams that zlib unpacks hold, in pieces that overlap; raises NotPlain when that is too much.

    What is read counts as what comes out does: a few streams inside one another would keep us for hours.
    """
    whole, left = memoryview(content), max_unpacked_bytes
    for found in _STREAM.finditer(content):
        unpacker, at, before = zlib.decompressobj(), found.end(), b""
        packed: bytes | memoryview = b""
        while not unpacker.eof and (packed or at < len(whole)):
            if not packed:
                packed = whole[at : at + _CHUNK_BYTES]
                at += len(packed)
                left -= len(packed)
            try:
                piece = unpacker.decompress(packed, _CHUNK_BYTES)
            except zlib.error:
                break
            packed = unpacker.unconsumed_tail
            left -= len(piece)
            if left < 0:
                raise NotPlain(f"must unpack to at most {max_unpacked_bytes} bytes")
            if piece:
                yield before + piece
                before = (before + piece)[-_OVERLAP_BYTES:]
