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
    lasting: bool = False
    """What other results go by, such as names: shown as long as any of its target's is."""

    @property
    def series(self) -> int:
        return sum(chunk.series for chunk in self.chunks.values())


@dataclass(slots=True)
class Board:
    """Results are replaced whole, never changed; one that has grown too old is not shown."""

    entries: dict[tuple[str, str], dict[str, Entry]] = field(default_factory=dict)
    """By target and collector."""

    def put(self, key: Key, entry: Entry) -> None:
        self.entries.setdefault(key[0], {})[key[1]] = entry

    def retain(self, keys: Collection[Key]) -> None:
        """Drop the results of all others: targets that are gone, collectors that were switched off."""
        kept: dict[tuple[str, str], dict[str, Entry]] = {}
        for target, results in self.entries.items():
            if left := {name: entry for name, entry in results.items() if (target, name) in keys}:
                kept[target] = left
        self.entries = kept

    def drop(self, target: tuple[str, str]) -> None:
        """All results of one target."""
        self.entries.pop(target, None)

    def series(self, key: Key, monotonic: float) -> int:
        """Series shown of one (target, collector)."""
        entry = self._shown(key[0], monotonic).get(key[1])
        return entry.series if entry is not None else 0

    def series_beside(self, key: Key, monotonic: float) -> int:
        """Series of the other collectors of `key`'s target that are shown once there is a result under `key`."""
        others = (entry for name, entry in self.entries.get(key[0], {}).items() if name != key[1])
        return sum(entry.series for entry in others if entry.lasting or entry.expires > monotonic)

    def fresh(self, monotonic: float) -> list[Entry]:
        return [entry for target in self.entries for entry in self._shown(target, monotonic).values()]

    def next_expiry(self, monotonic: float) -> float | None:
        """Monotonic seconds at which the next result grows too old."""
        every = (entry.expires for results in self.entries.values() for entry in results.values())
        return min((expires for expires in every if expires > monotonic), default=None)

    def _shown(self, target: tuple[str, str], monotonic: float) -> dict[str, Entry]:
        results = self.entries.get(target, {})
        young = {name: entry for name, entry in results.items() if entry.expires > monotonic}
        return {name: entry for name, entry in results.items() if name in young or (young and entry.lasting)}


def families(entries: Iterable[Entry], specs: Iterable[Spec]) -> Iterable[Family]:
    """One family for each spec that has samples anywhere, in the order of the specs."""
    held = list(entries)
    for spec in specs:
        chunks = [entry.chunks[spec.name] for entry in held if spec.name in entry.chunks]
        if chunks:
            yield family(spec, chunks)
