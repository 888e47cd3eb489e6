"""The catalogue of metrics as a table for terminals, as Markdown and as JSON."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from exporter.catalogue import ALL, COUNTERS, CURRENT, HISTORICAL, INFORMATION, OWN
from exporter.catalogue.spec import Level, Spec, Unit
from exporter.reference.markdown import NOTICE, code, table

Format = Literal["table", "markdown", "json"]

WIDTH = 100
"""Characters of a line of the table for terminals."""


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the metrics reference: families of one API and level, which have their labels in common."""

    title: str
    text: str
    specs: tuple[Spec, ...]


def _of(specs: Iterable[Spec], level: Level) -> tuple[Spec, ...]:
    return tuple(spec for spec in specs if spec.level is level)


SECTIONS = (
    Section(
        "Real-time values by queue and channel",
        "The level `queue`, on by default. Contacts may be summed over queues and channels; agents and slots may not, "
        "because an agent serves every queue and channel of their routing profile and counts in each. With "
        "`zero_fill: served` an idle queue shows 0 for every count, while its seconds stay absent.",
        _of(CURRENT, Level.QUEUE),
    ),
    Section(
        "Real-time values by routing profile",
        "The level `routing_profile`, on by default. An agent has exactly one routing profile, so agents and slots "
        "add up here to true totals; contacts do not, as several profiles may serve the same queue.",
        _of(CURRENT, Level.ROUTING_PROFILE),
    ),
    Section(
        "Real-time values of an instance",
        "The level `instance`, on by default: everything together, each agent and contact once.",
        _of(CURRENT, Level.INSTANCE),
    ),
    Section(
        "Agents by queue and status",
        "The level `agent_status`, off by default: it costs calls of its own.",
        _of(CURRENT, Level.AGENT_STATUS),
    ),
    Section(
        "Real-time values of a queue over all channels",
        "The level `queue_all_channels`, off by default: it costs calls of its own. It answers how many people serve a "
        "queue, which a sum over channels would count once for each channel.",
        _of(CURRENT, Level.QUEUE_ALL_CHANNELS),
    ),
    Section(
        "Recent windows by queue and channel",
        "Values of the last minutes or hours, or of today; the label `window` says which. They are gauges of a "
        "sliding window, so take them as they are: `rate()` and `increase()` belong to the counters below.",
        _of(HISTORICAL, Level.QUEUE),
    ),
    Section(
        "Recent windows of an instance",
        "The same over all queues and channels of the instance together, averages rightly weighted by AWS.",
        _of(HISTORICAL, Level.INSTANCE),
    ),
    Section(
        "Counters by queue and channel",
        "Every contact counted once, through restarts of the exporter too. Only contacts older than `settle` are in "
        "them, as AWS still corrects younger ones. They may be summed over queues and channels, after `increase()`.",
        COUNTERS,
    ),
    Section(
        "Information",
        "What the exporter knows about an instance besides its numbers.",
        INFORMATION,
    ),
    Section(
        "The exporter's own",
        "Is it working, are its values fresh, what does it cost. Besides these there are the usual `process_*` and "
        "`python_*`.",
        OWN,
    ),
)


def metrics_table(format: Format) -> str:  # noqa: A002 - named as the option of the command
    """Every metric family: name, type, labels, unit, help and the API it comes from, in the catalogue's order."""
    if format == "json":
        return json.dumps([_facts(spec) for spec in ALL], indent=2, ensure_ascii=False) + "\n"
    return _metrics_markdown() if format == "markdown" else _metrics_text()


def _unit(spec: Spec) -> str:
    """`count` only for what AWS counts: flags, information and the exporter's own have no unit."""
    return {Unit.SECONDS: "seconds", Unit.PERCENT: "ratio", Unit.COUNT: "count" if spec.api else ""}[spec.unit]


def _source(spec: Spec) -> str:
    """The operation, and the metric and statistic to ask it for; the exporter itself where no API is asked."""
    return " ".join(filter(None, (spec.operation or "exporter", spec.api, spec.statistic)))


def _facts(spec: Spec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "type": spec.kind.value,
        "unit": _unit(spec),
        "labels": list(spec.labels),
        "help": spec.help,
        "level": spec.level.value if spec.level else None,
        "operation": spec.operation or None,
        "api": spec.api or None,
        "statistic": spec.statistic or None,
        "only_if_listed": spec.only_if_listed,
    }


def _metrics_text() -> str:
    widths = (max(len(spec.name) for spec in ALL), len("histogram"))
    blocks = [f"{'NAME':{widths[0]}}  {'TYPE':{widths[1]}}  UNIT\n    LABELS\n    API\n    HELP"]
    for spec in ALL:
        first = f"{spec.name:{widths[0]}}  {spec.kind.value:{widths[1]}}  {_unit(spec) or '-'}"
        text = textwrap.fill(spec.help, WIDTH, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
        blocks.append(f"{first}\n    {', '.join(spec.labels) or '-'}\n    {_source(spec)}\n{text}")
    return "\n\n".join(blocks) + "\n"


def _metrics_markdown() -> str:
    parts = [
        "# Metrics",
        NOTICE,
        f"All {len(ALL)} metric families. A value that AWS leaves out is absent, never 0 and never NaN. Label values "
        "are names as AWS spells them. Percent are ratios, from 0 to 1. "
        "Families marked † are published only where `metrics` lists them: AWS keeps them for old callers.",
    ]
    for section in SECTIONS:
        parts += [f"## {section.title}", section.text, *_section(section.specs)]
    return "\n\n".join(parts) + "\n"


def _section(specs: Sequence[Spec]) -> Iterator[str]:
    shared = {spec.labels for spec in specs}
    common = next(iter(shared)) if len(shared) == 1 else None
    operations = sorted({spec.operation for spec in specs} - {""})
    facts = [f"From {code(operations)}."] if operations else []
    if common:
        facts.append(f"Labels: {code(common)}.")
    if facts:
        yield " ".join(facts)
    yield table(
        ("Metric", "Type", "Unit", *(() if common else ("Labels",)), *(("At AWS",) if specs[0].api else ()), "Meaning"),
        (
            (
                f"`{spec.name}`" + (" †" if spec.only_if_listed else ""),
                spec.kind.value,
                _unit(spec),
                *(() if common else (code(spec.labels),)),
                *((f"{spec.api} {spec.statistic}".strip(),) if spec.api else ()),
                re.sub(r"\bamazon_connect_\w+", r"`\g<0>`", spec.help),
            )
            for spec in specs
        ),
    )
