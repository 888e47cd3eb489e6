"""The status page: which instance and collector is well, how old its data are, what went wrong and what to do.

One HTML document without scripts or anything to fetch. Every text on it is escaped: names come from AWS, errors from
anywhere. Its style sheet is allowed by its hash alone, so nothing carries a style attribute.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from exporter.web.style import STYLE

REFRESH = 15
"""Seconds between two loadings of the page, as AWS's own console."""


@dataclass(frozen=True, slots=True)
class CollectorStatus:
    """One collector of one instance. Moments are unix seconds."""

    name: str
    state: str
    """waiting: not tried yet; ok; failing: values of before still stand; stale: these are too old and off /metrics."""
    last_success: float | None
    last_attempt: float | None
    interval: float
    """Seconds."""
    duration: float | None
    """Seconds that the last attempt took."""
    series: int
    error: str = ""
    """What went wrong last, in words."""
    hint: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    alias: str
    instance_id: str
    region: str
    account_id: str
    identity: str
    """ARN of the caller, nothing while unknown."""
    collectors: tuple[CollectorStatus, ...]
    notes: tuple[str, ...] = ()
    """What AWS refused while the rest carried on, in words."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The last attempt to load the configuration again."""

    ok: bool
    when: float
    """Unix seconds."""
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    title: str
    version: str
    revision: str
    started: float
    """Unix seconds."""
    config_path: str
    """Nothing where there is no file."""
    config_hash: str
    last_reload: Reload | None
    """None: never tried."""
    instances: tuple[InstanceStatus, ...]
    warnings: tuple[str, ...] = ()


_STATES = {"stale": ("✕", "Stale"), "failing": ("!", "Failing"), "waiting": ("…", "Waiting"), "ok": ("✓", "OK")}
"""Mark and word of each state, the worst first."""
_RANKS = {state: rank for rank, state in enumerate(_STATES)}
_COLUMNS = ("Collector", "State", "Data from", "Last attempt", "Took", "Every", "Series")
_LEGEND = (
    ("ok", "the last refresh succeeded."),
    ("failing", "the last refresh failed; /metrics still has the values of the one before."),
    ("stale", "no refresh succeeded for so long that the values have left /metrics."),
    ("waiting", "not tried yet."),
)
_FEW = 3
"""So many instances in full leave the overview within reach."""
_LINKS = (("metrics", "/metrics"), ("config", "/config"), ("-/healthy", "/-/healthy"), ("-/ready", "/-/ready"))


def status_page(status: Status, now: float, refresh: bool = True) -> str:
    """The whole document. `now`: unix seconds; `refresh`: whether it loads itself again every `REFRESH` seconds."""
    instances = sorted(status.instances, key=lambda instance: (_RANKS[_worst(instance)], instance.alias.casefold()))
    return "".join(
        (
            _head(status, refresh),
            "<main>",
            _verdict(status),
            _alerts(status, now),
            _facts(status, now),
            _body(instances, now),
            "</main>",
            _foot(now, refresh),
        )
    )


def _head(status: Status, refresh: bool) -> str:
    sick = sum(map(_sick, status.instances))
    title = escape(status.title)
    links = "".join(f'<a href="{href}">{words}</a>' for href, words in _LINKS)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        + (f'<meta http-equiv="refresh" content="{REFRESH}">' if refresh else "")
        + '<link rel="icon" href="data:,">'
        f"<title>{f'({sick}) ' if sick else ''}{title}</title><style>{STYLE}</style></head><body>"
        f'<header><h1>{title}</h1><span class="soft">version {escape(status.version)}'
        + (f", revision <code>{escape(status.revision)}</code>" if status.revision else "")
        + f"</span><nav>{links}</nav></header>"
    )


def _verdict(status: Status) -> str:
    """One line on the whole: the worst state and how many instances are in which."""
    if not status.instances:
        return (
            '<p class="verdict waiting">… No instance is being collected: none is known yet, '
            "discovery found none, or none falls to this shard.</p>"
        )
    counts = Counter(_worst(instance) for instance in status.instances)
    total = len(status.instances)
    worst = min(counts, key=_RANKS.__getitem__)
    kinds = ", ".join(f"{counts[state]} {_STATES[state][1]}" for state in _STATES if counts[state])
    sick = counts["stale"] + counts["failing"]
    if total == 1:
        words = "The instance is well" if worst == "ok" else f"The instance is {_STATES[worst][1].lower()}"
    elif worst == "ok":
        words = f"All {total} instances are well"
    elif sick:
        words = f"{sick} of {total} instances {'needs' if sick == 1 else 'need'} attention: {kinds}"
    else:
        words = f"{total} instances: {kinds}"
    series = sum(_series(instance) for instance in status.instances)
    return f'<p class="verdict {worst}">{_STATES[worst][0]} {words}. <span class="small">{series:,} series.</span></p>'


def _alerts(status: Status, now: float) -> str:
    parts = []
    reload = status.last_reload
    if reload is not None and not reload.ok:
        parts.append(
            f'<div class="box failing"><strong>! The last reload failed</strong> on {_moment(reload.when, now)}. '
            f"The configuration before it is still in force.{_list(reload.faults)}</div>"
        )
    if status.warnings:
        noun = "warning" if len(status.warnings) == 1 else "warnings"
        parts.append(
            f'<div class="box waiting"><strong>{len(status.warnings)} {noun}</strong>{_list(status.warnings)}</div>'
        )
    return "".join(parts)


def _facts(status: Status, now: float) -> str:
    reload = status.last_reload
    facts = [("Started", _moment(status.started, now))]
    if status.config_path:
        facts.append(("Configuration", f"<code>{escape(status.config_path)}</code>"))
    if status.config_hash:
        facts.append(("Configuration hash", f"<code>{escape(status.config_hash)}</code>"))
    outcome = "" if reload is None else "Succeeded, " if reload.ok else "Failed, "
    facts.append(("Last reload", "none yet" if reload is None else outcome + _moment(reload.when, now)))
    return "<dl>" + "".join(f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in facts) + "</dl>"


def _body(instances: list[InstanceStatus], now: float) -> str:
    """The sick in full, the overview, the rest in full; where many are sick the overview tells more, and is first."""
    if len(instances) < 2:
        return _instances("Instances", instances, now)
    sick = [instance for instance in instances if _sick(instance)]
    well = [instance for instance in instances if not _sick(instance)]
    overview = _overview(instances, now)
    if len(sick) > _FEW:
        return overview + _instances("Needs attention", sick, now) + _instances("Other instances", well, now)
    return _instances("Needs attention", sick, now) + overview + _instances("Instances", well, now)


def _overview(instances: list[InstanceStatus], now: float) -> str:
    """One row an instance, one column a collector: what a glance takes in where there are many."""
    # In the order in which the fullest instance has them.
    fullest_first = sorted(instances, key=lambda instance: -len(instance.collectors))
    names = list(dict.fromkeys(collector.name for instance in fullest_first for collector in instance.collectors))
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    return (
        '<h2 id="overview">Overview</h2><div class="wide" tabindex="0" role="region" aria-labelledby="overview">'
        '<table class="overview"><thead><tr><th scope="col">Instance</th><th scope="col">State</th>'
        f'<th scope="col" class="region">Region</th>{heads}<th scope="col" class="n">Series</th></tr></thead><tbody>'
        + "".join(_overview_row(instance, names, now) for instance in instances)
        + "</tbody></table></div>"
    )


def _overview_row(instance: InstanceStatus, names: Iterable[str], now: float) -> str:
    by_name = {collector.name: collector for collector in instance.collectors}
    cells = "".join(f"<td>{_overview_cell(by_name.get(name), now)}</td>" for name in names)
    return (
        f'<tr><th scope="row"><a href="#{_anchor(instance)}">{_name(instance)}</a></th>'
        f'<td>{_state(_worst(instance))}</td><td class="region">{escape(instance.region)}</td>{cells}'
        f'<td class="n">{_series(instance):,}</td></tr>'
    )


def _overview_cell(collector: CollectorStatus | None, now: float) -> str:
    if collector is None:
        return '<span class="soft">off</span>'
    age = "no data yet" if collector.last_success is None else _age(collector.last_success, now)
    if collector.state == "ok":
        return age
    return f"{_state(collector.state)} <small>{age}</small>"


def _instances(heading: str, instances: list[InstanceStatus], now: float) -> str:
    if not instances:
        return ""
    return f"<h2>{heading}</h2>" + "".join(_instance(instance, now) for instance in instances)


def _instance(instance: InstanceStatus, now: float) -> str:
    heads = "".join(f'<th scope="col"{" class=n" if c == "Series" else ""}>{c}</th>' for c in _COLUMNS)
    whereabouts = [f"<code>{escape(instance.instance_id)}</code>", escape(instance.region)]
    if instance.account_id:
        whereabouts.append(f"account {escape(instance.account_id)}")
    if instance.identity:
        whereabouts.append(f"as <code>{escape(instance.identity)}</code>")
    notes = "".join(f"<li>{escape(note)}</li>" for note in instance.notes)
    return (
        f'<article id="{_anchor(instance)}"><header><h3>{_name(instance)} {_state(_worst(instance))}</h3>'
        f'<p class="small">{" · ".join(whereabouts)}</p></header>'
        + (f'<ul class="notes small">{notes}</ul>' if notes else "")
        + f'<table class="collectors"><thead><tr>{heads}</tr></thead><tbody>'
        + "".join(_collector(collector, now) for collector in instance.collectors)
        + "</tbody></table></article>"
    )


def _collector(collector: CollectorStatus, now: float) -> str:
    cells = (
        ("", _state(collector.state)),
        ("t", "no data yet" if collector.last_success is None else _cell_moment(collector.last_success, now)),
        ("t", "none yet" if collector.last_attempt is None else _cell_moment(collector.last_attempt, now)),
        ("t", "–" if collector.duration is None else _span(collector.duration)),
        ("t", _span(collector.interval)),
        ("n", f"{collector.series:,}"),
    )
    row = "".join(
        f'<td{f" class={kind}" if kind else ""} data-label="{label}">{text}</td>'
        for label, (kind, text) in zip(_COLUMNS[1:], cells, strict=True)
    )
    return f'<tr><th scope="row">{escape(collector.name)}</th>{row}</tr>{_why(collector)}'


def _why(collector: CollectorStatus) -> str:
    if not (collector.error or collector.hint):
        return ""
    return (
        f'<tr class="why"><td colspan="{len(_COLUMNS)}"><div class="{_known(collector.state)}">'
        + (f"<p>{escape(collector.error)}</p>" if collector.error else "")
        + (f"<p><strong>What to do:</strong> {escape(collector.hint)}</p>" if collector.hint else "")
        + "</div></td></tr>"
    )


def _foot(now: float, refresh: bool) -> str:
    legend = "".join(f"<li>{_state(state)} {words}</li>" for state, words in _LEGEND)
    toggle = (
        f'Refreshed every {REFRESH} s. <a href="?refresh=off">Stop refreshing</a>'
        if refresh
        else f'Not refreshed by itself. <a href="?">Refresh every {REFRESH} s</a>'
    )
    return f'<footer class="small"><ul>{legend}</ul><p>As of {_utc(now)}. {toggle}</p></footer></body></html>\n'


def _worst(instance: InstanceStatus) -> str:
    """The state of the instance: that of its worst collector."""
    return min(
        (_known(collector.state) for collector in instance.collectors), key=_RANKS.__getitem__, default="waiting"
    )


def _sick(instance: InstanceStatus) -> bool:
    return _worst(instance) in ("stale", "failing")


def _known(state: str) -> str:
    return state if state in _STATES else "waiting"


def _state(state: str) -> str:
    mark, word = _STATES.get(state, ("?", escape(state)))
    return f'<span class="state {_known(state)}"><span aria-hidden="true">{mark}</span> {word}</span>'


def _series(instance: InstanceStatus) -> int:
    return sum(collector.series for collector in instance.collectors)


def _name(instance: InstanceStatus) -> str:
    """Isolated, lest a name from a right-to-left script, or one made to mislead, turns round what stands beside it."""
    return f"<bdi>{escape(instance.alias)}</bdi>"


def _anchor(instance: InstanceStatus) -> str:
    return "i-" + re.sub(r"[^A-Za-z0-9-]", "", f"{instance.region}-{instance.instance_id}")


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _moment(when: float, now: float) -> str:
    return f"{_utc(when)}, {_age(when, now)}"


def _cell_moment(when: float, now: float) -> str:
    return f"{_age(when, now)}<small>{_utc(when)}</small>"


def _utc(when: float) -> str:
    moment = datetime.fromtimestamp(when, UTC)
    return f'<time datetime="{moment:%Y-%m-%dT%H:%M:%SZ}">{moment:%Y-%m-%d %H:%M:%S} UTC</time>'


def _age(when: float, now: float) -> str:
    """How long ago; "in …" where a clock was set back meanwhile."""
    return f"in {_span(when - now)}" if when - now >= 1 else f"{_span(max(now - when, 0), whole=True)} ago"


def _span(seconds: float, whole: bool = False) -> str:
    """A length of time in its two largest units; below 10 s with a decimal unless `whole`."""
    if seconds < 10 and not whole and seconds != int(seconds):
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"
    parts = [f"{count} {unit}" for unit, count in _units(int(seconds)) if count]
    return " ".join(parts[:2]) or "0 s"


def _units(seconds: int) -> Iterator[tuple[str, int]]:
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return zip(("d", "h", "min", "s"), (days, hours, minutes, seconds), strict=True)
