"""Classic Grafana dashboards from plain functions: what every panel has is written once, here.

Grafana 10 to 13, its sidecar and its operator all take this JSON. Panels are dictionaries of Grafana's own shape; they
get their ids and places when a dashboard is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]

TAG = "amazon-connect"
COLUMNS = 24
"""Of Grafana's grid."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
BLUE, GREEN, AMBER, RED, GREY = "blue", "green", "#EAB839", "red", "text"

Steps = Sequence[tuple[float | None, str]]
"""From this value on that colour; None first: from below."""
NO_LIMIT: Steps = ((None, BLUE),)
"""For numbers that are neither good nor bad by themselves."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a panel. `name`: legend of a graph, heading of a table's column."""

    expr: str
    name: str = ""
    unit: str = ""
    """Where it is not the panel's."""
    steps: Steps | None = None
    """Thresholds, where they are not the panel's."""
    interval: str = ""
    """The least step of a range query; empty: the data source's."""
    style: Mapping[str, Any] = field(default_factory=dict)
    """More of a graph's or column's `custom` settings."""


def panel(
    kind: str,
    title: str,
    question: str,
    queries: Sequence[Query],
    *,
    unit: str,
    steps: Steps = NO_LIMIT,
    width: int = 12,
    height: int = 8,
    instant: bool = False,
    table: bool = False,
    defaults: Mapping[str, Any] | None = None,
    overrides: Iterable[Json] = (),
    options: Mapping[str, Any] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Json:
    """Any panel. `question` is what it answers, and its description."""
    targets = [_target(number, query, instant, table) for number, query in enumerate(queries)]
    return {
        "type": kind,
        "title": title,
        "description": question,
        "datasource": DATASOURCE,
        "gridPos": {"w": width, "h": height},
        "targets": targets,
        "fieldConfig": {
            "defaults": {"unit": unit, "thresholds": thresholds(steps), **(defaults or {})},
            "overrides": list(overrides),
        },
        "options": dict(options or {}),
        **(more or {}),
    }


def _target(number: int, query: Query, instant: bool, table: bool) -> Json:
    target: Json = {
        "refId": _letter(number),
        "datasource": DATASOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "format": "table" if table else "time_series",
        "instant": instant,
        "range": not instant,
    }
    if not table:
        target["legendFormat"] = query.name or "__auto"
    if query.interval:
        target["interval"] = query.interval
    return target


def _letter(number: int) -> str:
    return chr(ord("A") + number)


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in steps]}


def words(told: Mapping[float, tuple[str, str]]) -> list[Json]:
    """Value mappings: value -> (word, colour)."""
    found = {
        f"{value:g}": {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(told.items())
    }
    return [{"type": "value", "options": found}]


def _override(matcher: str, value: str, properties: Mapping[str, Any]) -> Json:
    return {
        "matcher": {"id": matcher, "options": value},
        "properties": [{"id": key, "value": setting} for key, setting in properties.items()],
    }


def _own(query: Query) -> dict[str, Any]:
    """What a query has that its panel has not."""
    properties: dict[str, Any] = {"unit": query.unit} if query.unit else {}
    if query.steps is not None:
        properties["thresholds"] = thresholds(query.steps)
    return properties | {f"custom.{key}": value for key, value in query.style.items()}


def _by_query(queries: Sequence[Query]) -> list[Json]:
    return [
        _override("byFrameRefID", _letter(number), properties)
        for number, query in enumerate(queries)
        if (properties := _own(query))
    ]


# one number, large


def stat(
    title: str,
    question: str,
    *queries: Query,
    unit: str,
    steps: Steps = NO_LIMIT,
    width: int = 6,
    height: int = 5,
    mappings: Sequence[Json] = (),
    missing: str = "no data",
    decimals: int | None = 0,
) -> Json:
    """`missing` is what it says where there is no value: never a number."""
    defaults: Json = {"mappings": list(mappings), "noValue": missing, "color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background_solid",
        "graphMode": "none",
        "justifyMode": "center",
        "textMode": "auto" if len(queries) == 1 and not queries[0].name else "value_and_name",
        "orientation": "auto",
        "wideLayout": True,
    }
    return panel(
        "stat",
        title,
        question,
        queries,
        unit=unit,
        steps=steps,
        width=width,
        height=height,
        instant=True,
        defaults=defaults,
        overrides=_by_query(queries),
        options=options,
    )


def bars(
    title: str,
    question: str,
    query: Query,
    *,
    unit: str,
    steps: Steps,
    width: int = 12,
    height: int = 8,
    low: float | None = 0,
    high: float | None = None,
) -> Json:
    """A bar for each series, now."""
    defaults: Json = {"color": {"mode": "thresholds"}, "noValue": "no data"}
    defaults |= {key: value for key, value in (("min", low), ("max", high)) if value is not None}
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "horizontal",
        "displayMode": "basic",
        "valueMode": "text",
        "showUnfilled": True,
        "minVizHeight": 12,
        "namePlacement": "left",
    }
    return panel(
        "bargauge",
        title,
        question,
        (query,),
        unit=unit,
        steps=steps,
        width=width,
        height=height,
        instant=True,
        defaults=defaults,
        options=options,
    )


# over time


def lines(
    title: str,
    question: str,
    *queries: Query,
    unit: str,
    steps: Steps = NO_LIMIT,
    show_steps: bool = False,
    width: int = 12,
    height: int = 8,
    low: float | None = 0,
    high: float | None = None,
    bar: bool = False,
) -> Json:
    """A graph. Never stacked: agent states overlap. `show_steps` draws the thresholds where they are bands."""
    custom: Json = {
        "drawStyle": "bars" if bar else "line",
        "lineInterpolation": "stepAfter" if unit == "short" and not bar else "linear",
        "lineWidth": 1,
        "fillOpacity": 30 if bar else 0,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "none"},
        "thresholdsStyle": {"mode": "dashed" if show_steps else "off"},
    }
    defaults: Json = {"custom": custom, "color": {"mode": "palette-classic"}, "noValue": "no data"}
    defaults |= {key: value for key, value in (("min", low), ("max", high)) if value is not None}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel(
        "timeseries",
        title,
        question,
        queries,
        unit=unit,
        steps=steps,
        width=width,
        height=height,
        defaults=defaults,
        overrides=_by_query(queries),
        options=options,
    )


DASHED = {"lineStyle": {"fill": "dash", "dash": [6, 6]}}
RIGHT = {"axisPlacement": "right"}


def timeline(
    title: str,
    question: str,
    *queries: Query,
    told: Mapping[float, tuple[str, str]],
    width: int = COLUMNS,
    height: int = 10,
) -> Json:
    """States over time, each with its word."""
    defaults: Json = {
        "mappings": words(told),
        "color": {"mode": "thresholds"},
        "custom": {"fillOpacity": 70, "lineWidth": 0, "spanNulls": False},
        "noValue": "no data",
    }
    options = {
        "mergeValues": True,
        "showValue": "auto",
        "alignValue": "left",
        "rowHeight": 0.9,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    steps = tuple((None if n == 0 else value, color) for n, (value, (_, color)) in enumerate(sorted(told.items())))
    return panel(
        "state-timeline",
        title,
        question,
        queries,
        unit="short",
        steps=steps,
        width=width,
        height=height,
        defaults=defaults,
        options=options,
    )


def cells(
    title: str,
    question: str,
    *queries: Query,
    unit: str,
    steps: Steps = NO_LIMIT,
    scheme: str = "",
    width: int = COLUMNS,
    height: int = 10,
    last: str = "",
    decimals: int = 0,
) -> Json:
    """A row for each series, a cell for each step, each with its number. `scheme`: Grafana's name of a colour scale,
    instead of thresholds; `last`: how far it looks back, whatever the dashboard's range is.
    """
    defaults: Json = {
        "color": {"mode": scheme or "thresholds"},
        "custom": {"fillOpacity": 80, "lineWidth": 1},
        "decimals": decimals,
        "noValue": "no data",
    }
    options = {
        "showValue": "auto",
        "rowHeight": 0.9,
        "colWidth": 0.95,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return panel(
        "status-history",
        title,
        question,
        queries,
        unit=unit,
        steps=steps,
        width=width,
        height=height,
        defaults=defaults,
        options=options,
        more={"timeFrom": last, "hideTimeOverride": False} if last else None,
    )


# tables


def table(
    title: str,
    question: str,
    *columns: Query,
    keys: Mapping[str, str],
    sort: str = "",
    ascending: bool = False,
    links: Mapping[str, Json] | None = None,
    mappings: Mapping[str, Sequence[Json]] | None = None,
    width: int = COLUMNS,
    height: int = 10,
) -> Json:
    """A row for each set of `keys` (label -> heading), a column for each query, coloured by its thresholds.

    `links` and `mappings` by heading. Every query has to be instant and capped with topk.
    """
    headings = {**keys, **{_value(n, len(columns)): column.name for n, column in enumerate(columns)}}
    overrides = [_override("byName", column.name, _cell(column)) for column in columns]
    overrides += [_override("byName", heading, {"links": [link]}) for heading, link in (links or {}).items()]
    overrides += [_override("byName", heading, {"mappings": list(m)}) for heading, m in (mappings or {}).items()]
    options = {
        "showHeader": True,
        "cellHeight": "sm",
        "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""},
        "sortBy": [{"displayName": sort, "desc": not ascending}] if sort else [],
    }
    organize = {
        "excludeByName": {},
        "indexByName": {name: place for place, name in enumerate(headings)},
        "renameByName": headings,
    }
    return panel(
        "table",
        title,
        question,
        columns,
        unit="short",
        steps=((None, GREY),),
        width=width,
        height=height,
        instant=True,
        table=True,
        defaults={"custom": {"align": "auto", "cellOptions": {"type": "auto"}}, "noValue": "–"},
        overrides=overrides,
        options=options,
        more={
            "transformations": [
                {"id": "merge", "options": {}},
                {"id": "filterFieldsByName", "options": {"include": {"names": list(headings)}}},
                {"id": "organize", "options": organize},
            ]
        },
    )


def _value(number: int, columns: int) -> str:
    """What Grafana calls a query's value once the queries are merged."""
    return f"Value #{_letter(number)}" if columns > 1 else "Value"


def _cell(column: Query) -> dict[str, Any]:
    properties = {"unit": column.unit or "short", **_own(replace(column, unit=""))}
    if column.steps is not None:
        properties["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
    return properties


def link(title: str, url: str) -> Json:
    return {"title": title, "url": url, "targetBlank": False}


# rows, places, dashboards


def row(title: str, *panels: Json, repeat: str = "") -> list[Json]:
    """A heading and what stands under it; `repeat`: once more for each value of this variable."""
    heading: Json = {
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": {"w": COLUMNS, "h": 1},
        "panels": [],
    }
    if repeat:
        heading |= {"repeat": repeat, "repeatDirection": "h"}
    return [heading, *panels]


def placed(panels: Iterable[Json]) -> list[Json]:
    """With ids, and side by side from left to right.

    ValueError unless each line of panels is as wide as the grid and of one height: then nothing overlaps, and no gap is
    left for Grafana to close in a way of its own.
    """
    done: list[Json] = []
    x = y = 0
    for number, one in enumerate(panels, 1):
        width, height = one["gridPos"]["w"], one["gridPos"]["h"]
        if x and height != done[-1]["gridPos"]["h"]:
            raise ValueError(f"{one['title']}: not as high as what it stands beside")
        if x + width > COLUMNS:
            raise ValueError(f"{one['title']}: wider than what is left of its line")
        done.append({"id": number, **one, "gridPos": {"x": x, "y": y, "w": width, "h": height}})
        x += width
        if x == COLUMNS:
            x, y = 0, y + height
    if x:
        raise ValueError(f"{done[-1]['title']}: its line is not full")
    return done


def variables() -> list[Json]:
    """The same on every dashboard, so that a link can hand them on."""
    within = 'job=~"$job"'
    mine = f'{within}, instance_alias=~"$instance_alias"'
    return [
        {
            "type": "datasource",
            "name": "datasource",
            "label": "Data source",
            "query": "prometheus",
            "regex": "",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
            "current": {},
            "options": [],
            "skipUrlSync": False,
        },
        _choice("job", "Job", "amazon_connect_exporter_build_info"),
        _choice("instance_alias", "Instance", f"amazon_connect_instance_info{{{within}}}"),
        _choice("queue", "Queue", f"amazon_connect_queue_info{{{mine}}}"),
        # No information metric has a channel but this: it is there for every queue and channel, idle or not.
        _choice("channel", "Channel", f"amazon_connect_queue_service_level_threshold_seconds{{{mine}}}"),
        _choice("routing_profile", "Routing profile", f"amazon_connect_routing_profile_info{{{mine}}}"),
    ]


def _choice(name: str, label: str, selector: str) -> Json:
    query = f"label_values({selector}, {name})"
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": "",
        "refresh": 2,  # on time range change
        "sort": 1,
        "hide": 0,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "skipUrlSync": False,
    }


def dashboard(slug: str, title: str, purpose: str, panels: Iterable[Json], *, since: str, refresh: str = "30s") -> Json:
    """`since`: the range it opens with, until now."""
    return {
        "id": None,
        "uid": f"{TAG}-{slug}",
        "title": f"Amazon Connect: {title}",
        "description": purpose,
        "tags": [TAG],
        "editable": False,
        "graphTooltip": 2,
        "links": [
            {
                "type": "dashboards",
                "title": "Amazon Connect",
                "tags": [TAG],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "annotations": {"list": []},
        "templating": {"list": variables()},
        "panels": placed(panels),
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "refresh": refresh,
        "schemaVersion": 39,
        "version": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
    }
