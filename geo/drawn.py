"""A map as its file draws it: read, but neither checked nor brought to degrees."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry


class BadBoundaries(ValueError):
    """A boundary file that cannot be used; messages say `file:line: what`, or `file: what` where there are no lines."""

    def __init__(self, messages: Sequence[str]) -> None:
        self.messages = list(messages)
        super().__init__("\n".join(self.messages))


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One feature of a file; `problem` says why it has no geometry that can be looked at."""

    code: Any = None
    name: Any = None
    population: Any = None
    geometry: BaseGeometry | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class DrawnMap:
    """The features of a file in its order; `crs` is the coordinate system that the file itself names.

    `implied_crs` is what its format means when it names none; `lines` tells on which line each feature begins, and is None
    for files that have no lines.
    """

    path: Path
    properties: Sequence[str]
    features: Sequence[Feature]
    crs: str | None
    implied_crs: str | None = None
    lines: Callable[[], Mapping[int, int]] | None = None

    def bad(self, what: str) -> BadBoundaries:
        """The refusal of the whole file."""
        return BadBoundaries([f"{self.path}{':1' if self.lines else ''}: {what}"])

    def bad_features(self, problems: Mapping[int, str]) -> BadBoundaries:
        """The refusal that names each feature, given by its position, with what is wrong with it."""
        lines = self.lines() if self.lines else None
        return BadBoundaries(
            [
                f"{self.path}{f':{lines.get(position, 1)}' if lines is not None else ''}: feature {position + 1}: {problem}"
                for position, problem in sorted(problems.items())
            ]
        )


def require_file(path: Path) -> None:
    """Raises BadBoundaries for what is no regular file: only those are read."""
    try:
        path.stat()
    except OSError as error:
        raise BadBoundaries([f"{path}: cannot be read: {error.strerror}"]) from error
    if not path.is_file():
        raise BadBoundaries([f"{path}: is a {'directory' if path.is_dir() else 'device'} and no file"])
