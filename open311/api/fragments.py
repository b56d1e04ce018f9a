"""Requests as they were rendered, held by a process for as long as what they show is the same."""

from collections.abc import Callable, Hashable, Mapping, Sequence

from open311.cases.search import Key, Row

_OVERHEAD_BYTES = 300  # a key and its place


class Fragments:
    """Rendered requests under their keys: a request that changed has another key, so nothing is ever stale.

    The newest part is filled until it is full and is then the older part; what is asked for from that moves to the newest.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._newest: dict[Hashable, bytes] = {}
        self._older: dict[Hashable, bytes] = {}

    def of(
        self,
        keys: Sequence[Key],
        kind: Hashable,
        *,
        read: Callable[[Sequence[int]], Mapping[Key, Row]],
        render: Callable[[Sequence[Row]], list[bytes]],
    ) -> list[bytes]:
        """The fragments of the keys, in order; those not held are read by id and rendered.

        `kind` says what else the bytes depend on.  A request that is gone by the time it is read is left out.
        """
        held: dict[int, bytes] = {}
        missing: list[int] = []
        for key in keys:
            fragment = self._held((kind, key))
            if fragment is None:
                missing.append(key[0])
            else:
                held[key[0]] = fragment
        if missing:
            rows = read(missing)
            for key, fragment in zip(rows, render(list(rows.values())), strict=True):
                self._hold((kind, key), fragment)
                held[key[0]] = fragment
        return [held[key[0]] for key in keys if key[0] in held]

    def _held(self, key: Hashable) -> bytes | None:
        fragment = self._newest.get(key)
        if fragment is None:
            fragment = self._older.get(key)
            if fragment is not None:
                self._hold(key, fragment)
        return fragment

    def _hold(self, key: Hashable, fragment: bytes) -> None:
        if not self._most_bytes:
            return
        if self._bytes >= self._most_bytes:
            self._older, self._newest, self._bytes = self._newest, {}, 0
        self._newest[key] = fragment
        self._bytes += len(fragment) + _OVERHEAD_BYTES
