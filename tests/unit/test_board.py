from __future__ import annotations

from exporter.board import Board, Entry, families
from exporter.catalogue.spec import Spec
from exporter.exposition import Chunk

ONE, OTHER = ("us-east-1", "i1"), ("us-east-1", "i2")


def entry(series: int, expires: float, name: str = "waiting") -> Entry:
    return Entry({name: Chunk(b"", b"", series)}, expires)


def test_a_result_is_replaced_whole() -> None:
    board = Board()
    board.put((ONE, "current"), Entry({"a": Chunk(b"a 1\n", b"", 1), "b": Chunk(b"b 1\n", b"", 1)}, 100.0))
    board.put((ONE, "current"), Entry({"a": Chunk(b"a 2\n", b"", 1)}, 110.0))
    (fresh,) = board.fresh(0.0)
    assert set(fresh.chunks) == {"a"}
    assert board.series((ONE, "current"), 0.0) == 1


def test_a_result_is_shown_until_it_is_too_old() -> None:
    board = Board()
    board.put((ONE, "current"), entry(3, 100.0))
    board.put((OTHER, "current"), entry(5, 200.0))
    assert [e.series for e in board.fresh(99.9)] == [3, 5]
    assert [e.series for e in board.fresh(100.0)] == [5]
    assert board.series((ONE, "current"), 99.9) == 3
    assert board.series((ONE, "current"), 100.0) == 0
    assert board.series((ONE, "never"), 0.0) == 0


def test_the_next_expiry_is_that_of_what_is_still_shown() -> None:
    board = Board()
    assert board.next_expiry(0.0) is None
    board.put((ONE, "current"), entry(3, 100.0))
    board.put((OTHER, "current"), entry(5, 200.0))
    assert [board.next_expiry(moment) for moment in (0.0, 100.0, 200.0)] == [100.0, 200.0, None]


def test_beside_a_result_stand_those_of_its_target_that_are_shown() -> None:
    board = Board()
    board.put((ONE, "current"), entry(1, 100.0))
    board.put((ONE, "historical"), entry(2, 100.0))
    board.put((ONE, "counters"), entry(4, 50.0))
    board.put((OTHER, "current"), entry(8, 100.0))
    assert board.series_beside((ONE, "current"), 0.0) == 6
    assert board.series_beside((ONE, "current"), 60.0) == 2


def test_results_go_with_their_target_or_their_collector() -> None:
    board = Board()
    for target in (ONE, OTHER):
        for name in ("current", "historical"):
            board.put((target, name), entry(1, 100.0))
    board.retain({(ONE, "current"), (OTHER, "current"), (OTHER, "historical")})
    assert {target: set(results) for target, results in board.entries.items()} == {
        ONE: {"current"},
        OTHER: {"current", "historical"},
    }
    board.drop(OTHER)
    assert set(board.entries) == {ONE}


def test_a_family_holds_the_samples_of_all_results_and_stands_in_the_order_of_the_catalogue() -> None:
    entries = [
        Entry({"b": Chunk(b"b 1\n", b"b 1\n", 1)}, 1.0),
        Entry({"a": Chunk(b"a 1\n", b"a 1\n", 1), "b": Chunk(b"b 2\n", b"b 2\n", 1)}, 1.0),
    ]
    specs = [Spec(name, "Help.", ()) for name in ("a", "b", "unseen")]
    made = list(families(iter(entries), specs))
    assert [each.text.decode().splitlines()[2:] for each in made] == [["a 1"], ["b 1", "b 2"]]


def test_names_are_shown_as_long_as_anything_goes_by_them() -> None:
    board = Board()
    board.put((ONE, "inventory"), Entry({"names": Chunk(b"", b"", 2)}, 50.0, lasting=True))
    board.put((OTHER, "current"), entry(8, 200.0))
    assert board.series((ONE, "inventory"), 49.9) == 2
    assert board.series((ONE, "inventory"), 50.0) == 0
    # There must be room for what a new value would bring back.
    assert board.series_beside((ONE, "current"), 50.0) == 2
    board.put((ONE, "current"), entry(1, 100.0))
    assert board.series((ONE, "inventory"), 99.9) == 2
    assert board.series_beside((ONE, "current"), 99.9) == 2
    assert sorted(e.series for e in board.fresh(99.9)) == [1, 2, 8]
    assert [e.series for e in board.fresh(100.0)] == [8]
