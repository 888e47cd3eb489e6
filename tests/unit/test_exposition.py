from __future__ import annotations

import gzip
import math
import subprocess

import prometheus_client
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.catalogue import ALL, by_name
from exporter.catalogue.spec import Kind, Spec
from exporter.exposition import Exposition, assemble, client_family, family, render
from exporter.model import Sample
from tests.tools import need

GAUGE = Spec(name="waiting", help='Contacts that wait.\nBack\\slash, "quoted".', labels=("instance_alias", "queue"))
COUNTER = Spec(name="handled_total", help="Contacts handled.", labels=("queue",), kind=Kind.COUNTER)
PLAIN = Spec(name="targets", help="Instances.", labels=())
SPECS = {spec.name: spec for spec in (GAUGE, COUNTER, PLAIN)}

Series = tuple[str, tuple[tuple[str, str], ...], float]

HOSTILE = [
    'say "no"',
    "back\\slash",
    "\\n is not a new line",
    "two\nlines",
    "\r\n",
    "\0",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "naïve ☎ 😀",
    "\\",
    '"',
    '"} 1\nfake{queue="x',
    "# EOF",
    " leading and trailing ",
    "",
    "a,b={c}",
]


def page(samples: list[Sample]) -> Exposition:
    chunks = render(samples, SPECS)
    return assemble(family(SPECS[name], [chunk]) for name, chunk in chunks.items())


def parsed(text: bytes, openmetrics: bool) -> list[Series]:
    read = read_openmetrics if openmetrics else read_text
    families = list(read(text.decode()))
    assert len({each.name for each in families}) == len(families)
    return [(s.name, tuple(sorted(s.labels.items())), s.value) for each in families for s in each.samples]


def expected(samples: list[Sample], created: bool) -> list[Series]:
    found: list[Series] = []
    for sample in samples:
        labels = tuple(sorted(zip(SPECS[sample.name].labels, sample.labels, strict=True)))
        found.append((sample.name, labels, sample.value))
        if created and sample.created is not None:
            found.append((sample.name.replace("_total", "_created"), labels, sample.created))
    return found


def as_read(page: Exposition) -> tuple[list[Series], list[Series]]:
    return parsed(page.text, False), parsed(page.openmetrics, True)


# what is written


def test_help_and_type_stand_once_before_all_samples_of_a_family() -> None:
    one = render([Sample("waiting", ("a", "Sales"), 3.0), Sample("targets", (), 2.0)], SPECS)
    other = render([Sample("waiting", ("b", "Sales"), 0.5)], SPECS)
    made = assemble([family(GAUGE, [one["waiting"], other["waiting"]]), family(PLAIN, [one["targets"]])])
    assert made.text.decode() == (
        '# HELP waiting Contacts that wait.\\nBack\\\\slash, "quoted".\n'
        "# TYPE waiting gauge\n"
        'waiting{instance_alias="a",queue="Sales"} 3\n'
        'waiting{instance_alias="b",queue="Sales"} 0.5\n'
        "# HELP targets Instances.\n"
        "# TYPE targets gauge\n"
        "targets 2\n"
    )


def test_a_counter_in_openmetrics_names_its_family_without_total_and_says_since_when() -> None:
    made = page(
        [Sample("handled_total", ("Sales",), 7.0, created=1_790_000_000.0), Sample("handled_total", ("x",), 1.0)]
    )
    assert made.openmetrics.decode() == (
        "# HELP handled Contacts handled.\n"
        "# TYPE handled counter\n"
        'handled_total{queue="Sales"} 7\n'
        'handled_created{queue="Sales"} 1790000000\n'
        'handled_total{queue="x"} 1\n'
        "# EOF\n"
    )
    assert made.text.decode() == (
        "# HELP handled_total Contacts handled.\n"
        "# TYPE handled_total counter\n"
        'handled_total{queue="Sales"} 7\n'
        'handled_total{queue="x"} 1\n'
    )


def test_an_empty_page_is_a_page() -> None:
    made = assemble([])
    assert (made.text, made.openmetrics) == (b"", b"# EOF\n")


def test_a_sample_with_labels_too_few_or_too_many_is_a_fault() -> None:
    with pytest.raises(ValueError, match="zip"):
        render([Sample("waiting", ("a",), 1.0)], SPECS)
    with pytest.raises(ValueError, match="zip"):
        render([Sample("waiting", ("a", "b", "c"), 1.0)], SPECS)


def test_the_number_of_series_is_that_of_samples() -> None:
    chunks = render([Sample("handled_total", (str(n),), 1.0, created=5.0) for n in range(3)], SPECS)
    assert chunks["handled_total"].series == 3


def test_lone_surrogates_become_question_marks() -> None:
    made = page([Sample("waiting", ("a", "\ud800 and \udfff"), 1.0)])
    assert b'queue="? and ?"' in made.text
    assert b'queue="? and ?"' in made.openmetrics


# read by others


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_read_back_as_they_were(name: str) -> None:
    samples = [Sample("waiting", (name, name[::-1]), 1.0), Sample("handled_total", (name,), 2.0, created=3.0)]
    text, openmetrics = as_read(page(samples))
    assert text == expected(samples, created=False)
    assert openmetrics == expected(samples, created=True)


names = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**18), 10**18).map(float), st.just(-0.0)
)
created = st.one_of(st.none(), st.floats(0, 4e9))
samples_of_all = st.lists(
    st.one_of(
        st.builds(Sample, st.just("waiting"), st.tuples(names, names), values),
        st.builds(Sample, st.just("handled_total"), st.tuples(names), values.map(abs), created),
        st.builds(Sample, st.just("targets"), st.just(()), values),
    ),
    max_size=12,
    unique_by=lambda sample: (sample.name, sample.labels),
)


@given(samples_of_all)
@example([Sample("waiting", (a, b), 1.0) for a, b in zip(HOSTILE, reversed(HOSTILE), strict=True)])
def test_whatever_is_written_is_read_back_exactly(samples: list[Sample]) -> None:
    made = page(samples)
    text, openmetrics = as_read(made)
    assert sorted(text) == sorted(expected(samples, created=False))
    assert sorted(openmetrics) == sorted(expected(samples, created=True))
    assert gzip.decompress(made.text_gzip) == made.text
    assert gzip.decompress(made.openmetrics_gzip) == made.openmetrics
    assert made == page(samples)


@given(st.text(max_size=12), st.text(max_size=12))
def test_no_text_at_all_breaks_a_page(one: str, other: str) -> None:
    made = page([Sample("waiting", (one, other), 1.0), Sample("targets", (), 2.0)])
    for series in as_read(made):
        assert len(series) == 2


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=30))
def test_any_help_is_read_back_but_for_white_space_around_it(told: str) -> None:
    spec = Spec("waiting", told, ())
    made = assemble([family(spec, render([Sample("waiting", (), 1.0)], {"waiting": spec}).values())])
    for text, read in ((made.text, read_text), (made.openmetrics, read_openmetrics)):
        (found,) = read(text.decode())
        assert found.documentation.strip() == told.strip()


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.0, 0.1, 1e15, 1e15 - 1, 1e16, 1.5e300, 5e-324, 1 / 3, -7.25, 1790000000.25]
)
def test_numbers_are_written_without_loss(value: float) -> None:
    (_, _, text), (_, _, openmetrics) = (series[0] for series in as_read(page([Sample("targets", (), value)])))
    assert text == value == openmetrics


def test_promtool_accepts_every_family_of_the_catalogue_with_hostile_names() -> None:
    promtool = need("promtool")
    ours = [spec for spec in ALL if spec.kind is not Kind.HISTOGRAM]
    samples = [Sample(spec.name, tuple(HOSTILE[: len(spec.labels)]), 1.0) for spec in ours]
    samples += [Sample(GAUGE.name, (name, "x"), 1.0) for name in HOSTILE]
    known = {**by_name, GAUGE.name: GAUGE}
    chunks = render(samples, known)
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Histogram("took_seconds", "How long.", registry=registry).observe(2)
    text = assemble(
        [
            *(family(known[name], [chunk]) for name, chunk in chunks.items()),
            *(client_family(metric) for metric in registry.collect()),
        ]
    ).text
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# name[]


def filtered(made: Exposition, as_openmetrics: bool, *names: str) -> bytes:
    return b"".join(made.filtered(frozenset(names), as_openmetrics))


def test_a_filtered_page_has_the_families_that_were_named_and_nothing_else() -> None:
    made = page([Sample("waiting", ("a", "b"), 1.0), Sample("handled_total", ("c",), 2.0), Sample("targets", (), 3.0)])
    assert [s[0] for s in parsed(filtered(made, False, "waiting", "targets"), False)] == ["waiting", "targets"]
    assert [s[0] for s in parsed(filtered(made, True, "handled_total"), True)] == ["handled_total"]
    assert [s[0] for s in parsed(filtered(made, True, "handled"), True)] == ["handled_total"]
    assert filtered(made, False, "unheard_of") == b""
    assert filtered(made, True, "unheard_of") == b"# EOF\n"


def test_filtering_copies_nothing() -> None:
    made = page([Sample("waiting", ("a", "b"), 1.0), Sample("targets", (), 3.0)])
    held = {id(family.text) for family in made.families}
    pieces = made.filtered(frozenset({"waiting", "targets"}), False)
    assert {id(piece) for piece in pieces} == held


def test_a_family_of_the_client_library_is_found_by_the_names_of_its_samples() -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Histogram("took_seconds", "How long.", registry=registry).observe(2)
    made = assemble(client_family(metric) for metric in registry.collect())
    for name in ("took_seconds", "took_seconds_bucket", "took_seconds_sum", "took_seconds_count"):
        assert filtered(made, False, name) == made.text
    assert math.isclose(sum(s[2] for s in parsed(made.openmetrics, True) if s[0] == "took_seconds_sum"), 2)
