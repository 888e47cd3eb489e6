"""The latest result of each (target, collector), and the page made of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from exporter.catalogue.spec import Spec
from exporter.exposition import Chunk, Family, family

Key = tuple[tuple[str, str], str]
"""(target's key, collector's name)"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rendered result. `expires`: monotonic seconds after which it is too old to be shown."""

    chunks: Mapping[str, Chunk]
    expires: float

    @property
    def series(self) -> int:
        return sum(chunk.series for chunk in self.chunks.values())


@dataclass(slots=True)
class Board:
    """Results are replaced whole, never changed; one that has grown too old is not shown."""

    entries: dict[Key, Entry] = field(default_factory=dict)

    def put(self, key: Key, entry: Entry) -> None:
        self.entries[key] = entry

    def retain(self, keys: Collection[Key]) -> None:
        """Drop the results of all others: targets that are gone, collectors that were switched off."""
        self.entries = {key: entry for key, entry in self.entries.items() if key in keys}

    def drop(self, target: tuple[str, str]) -> None:
        """All results of one target."""
        self.entries = {key: entry for key, entry in self.entries.items() if key[0] != target}

    def series(self, key: Key, monotonic: float) -> int:
        """Series shown of one (target, collector)."""
        entry = self.entries.get(key)
        return entry.series if entry is not None and entry.expires > monotonic else 0

    def series_beside(self, key: Key, monotonic: float) -> int:
        """Series shown of the other collectors of `key`'s target."""
        return sum(self.series(other, monotonic) for other in self.entries if other[0] == key[0] and other != key)

    def fresh(self, monotonic: float) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.expires > monotonic]

    def next_expiry(self, monotonic: float) -> float | None:
        """Monotonic seconds at which the next result grows too old."""
        return min((entry.expires for entry in self.entries.values() if entry.expires > monotonic), default=None)


def families(entries: Iterable[Entry], specs: Iterable[Spec]) -> Iterable[Family]:
    """One family for each spec that has samples anywhere, in the order of the specs."""
    held = list(entries)
    for spec in specs:
        chunks = [entry.chunks[spec.name] for entry in held if spec.name in entry.chunks]
        if chunks:
            yield family(spec, chunks)
