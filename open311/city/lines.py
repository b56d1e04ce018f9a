"""Files whose every value or row knows its line."""

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO, cast

import yaml
from marshmallow import Schema, ValidationError

# Names, positions in lists, and days, which YAML reads by itself.
Path_ = tuple[str | int | date, ...]


class BadFile(ValueError):
    """Files that cannot be used; each message begins with `file:line:`."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(self.messages))


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, its line ends as they are; raises BadFile."""
    try:
        if not path.is_file():  # a pipe would be waited for, a device read for ever
            raise BadFile([f"{path}:1: {'must be a regular file' if path.exists() else 'is missing'}"])
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise BadFile([f"{path}:{line}: must be UTF-8: {error.reason}"]) from error
    except OSError as error:
        raise BadFile([f"{path}:1: cannot be read: {error.strerror}"]) from error


# Where csv_rows puts what a line has beyond the header's columns.
BEYOND = "(beyond the header)"


def csv_rows(path: Path, header_problem: Callable[[Sequence[str]], str | None]) -> Iterator[tuple[int, dict[str, str | None]]]:
    """(line, row) of a CSV file with a header, gzipped or not, in UTF-8; raises BadFile, also with what the header lacks."""
    line = 0
    try:
        with _open(path) as raw, TextIOWrapper(raw, encoding="utf-8-sig", newline="") as text:
            reader = csv.DictReader(text, restkey=BEYOND, strict=True)
            problem = header_problem(list(reader.fieldnames or []))
            if problem:
                raise BadFile([f"{path}:1: {problem}"])
            for row in reader:
                line = reader.line_num
                yield line, row
    except UnicodeDecodeError as error:
        # The reader holds no whole line when it asks for more: what it was given begins on the next one.
        line += 1 + error.object.count(b"\n", 0, error.start)
        raise BadFile([f"{path}:{line}: must be UTF-8: {error.reason}"]) from error
    except csv.Error as error:
        raise BadFile([f"{path}:{line + 1}: not CSV: {error}"]) from error
    except (OSError, EOFError, zlib.error) as error:
        raise BadFile([f"{path}:{line + 1}: cannot be read: {error}"]) from error


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")


class Lines:
    """The data of a YAML file, and the line of each value by its path, such as (3, "keywords", 0)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[Path_, int] = {(): 1}
        self._seen: set[int] = set()
        try:
            text = read_text(path)
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            self.data: Any = None if root is None else self._value(root, ())
        except RecursionError:
            raise BadFile([f"{path}:1: must not hold a part within itself, nor parts nested so deeply"]) from None
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise BadFile([f"{path}:{line}: not YAML: {error.problem or error.context}"]) from error
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise BadFile([f"{path}:{line}: must not hold the character U+{error.character:04X}"]) from error
        except yaml.YAMLError as error:
            raise BadFile([f"{path}:1: not YAML: {error}"]) from error

    def at(self, path: Path_, message: str) -> str:
        """The message with the file and line of a value, or of the nearest thing around it."""
        while path not in self._lines:
            path = path[:-1]
        return f"{self.path}:{self._lines[path]}: {message}"

    def problems(self, messages: Any, path: Path_ = ()) -> list[str]:
        """Marshmallow's nested messages, each with its file, line and name."""
        if isinstance(messages, dict):
            return [text for key, inner in messages.items() for text in self.problems(inner, self._below(path, key))]
        if isinstance(messages, list):
            return [text for inner in messages for text in self.problems(inner, path)]
        named = ".".join(str(part) for part in path if not isinstance(part, int) and part != "_schema")
        return [self.at(path, f"{named}: {messages}" if named else str(messages))]

    def _below(self, path: Path_, key: str | int | date) -> Path_:
        # For the entries of a mapping marshmallow says "key" or "value" first, which is no name of the file's.
        is_entry = key in ("key", "value") and path and not isinstance(path[-1], int)
        return path if is_entry and (*path, key) not in self._lines else (*path, key)

    def _value(self, node: yaml.Node, path: Path_) -> Any:
        self._lines[path] = node.start_mark.line + 1
        if id(node) in self._seen:  # nine anchors of nine aliases each are a thousand million values
            raise BadFile(
                [f"{self.path}:{node.start_mark.line + 1}: what is anchored here must be written out where it is used"]
            )
        self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            found: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                if not isinstance(key_node, yaml.ScalarNode):
                    raise BadFile([f"{self.path}:{key_node.start_mark.line + 1}: a name must be text"])
                key = _scalar(key_node)
                if key in found:
                    raise BadFile([f"{self.path}:{key_node.start_mark.line + 1}: {key!r} stands twice"])
                found[key] = self._value(value_node, (*path, key))
            return found
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, position)) for position, item in enumerate(node.value)]
        return _scalar(node)


def load_list(path: Path, schema: Schema, *, may_be_empty: bool = False) -> tuple[list[dict[str, Any]], Lines]:
    """The items of a YAML file that is a list, each as the schema loads it; raises BadFile with every problem.

    may_be_empty: `[]` is no item; a file that says nothing is no list all the same.
    """
    lines = Lines(path)
    if not isinstance(lines.data, list) or not (lines.data or may_be_empty):
        raise BadFile([lines.at((), "must be a list")])
    try:
        return list(schema.load(lines.data, many=True)), lines
    except ValidationError as error:
        raise BadFile(lines.problems(error.messages)) from error


def _scalar(node: yaml.Node) -> Any:
    constructor = yaml.constructor.SafeConstructor()
    try:
        return constructor.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
        # A tag such as !!float on what is none.
        return str(node.value)
