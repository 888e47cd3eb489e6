"""Making the page: all of it, and anew when one result of many has changed."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import generate_latest

from exporter.board import families
from exporter.catalogue import ALL
from exporter.exposition import Exposition, assemble
from tests.bench.data import ClientLibrary, entry, results
from tests.bench.measure import Comparison, in_turns, timed
from tests.bench.sizes import Sizes

PEER = "prometheus_client generate_latest"
NOTE = "ours makes text and OpenMetrics, both also gzipped; the peer makes plain text"


def compare(sizes: Sizes) -> Iterator[Comparison]:
    held = results(sizes.series, sizes.results)
    library = ClientLibrary(held)
    _same(assemble(families([entry(samples) for samples in held], ALL)).text, generate_latest(library.registry))

    def all_of_it() -> Exposition:
        return assemble(families([entry(samples) for samples in held], ALL))

    rounds = in_turns(timed(all_of_it), timed(lambda: generate_latest(library.registry)), sizes.rounds, sizes.seconds)
    yield Comparison(f"render {sizes.series:,} series", PEER, "ms", *rounds, note=NOTE)

    entries = [entry(samples) for samples in held]
    changed = results(sizes.series, sizes.results, shift=1.0)[0]

    def one_of_many() -> Exposition:
        entries[0] = entry(changed)
        return assemble(families(entries, ALL))

    def one_of_many_there() -> bytes:
        library.set(changed)
        return generate_latest(library.registry)

    rounds = in_turns(timed(one_of_many), timed(one_of_many_there), sizes.rounds, sizes.seconds)
    yield Comparison(f"publish again, 1 of {sizes.results} results new", PEER, "ms", *rounds, note=NOTE)


def _same(ours: bytes, theirs: bytes) -> None:
    """Both pages have the same samples, or the comparison means nothing."""
    counted = [sum(not line.startswith(b"#") for line in page.splitlines()) for page in (ours, theirs)]
    if counted[0] != counted[1]:
        raise RuntimeError(f"the pages differ: {counted[0]} samples and {counted[1]}")
