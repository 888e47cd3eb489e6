"""`python -m grafana.plot --prometheus URL --end T …`: the numbers behind two dashboards, over a day, as plots.

They are drawn with matplotlib from what Prometheus answers to the dashboards' own queries. They are not screenshots of
Grafana and do not look like it.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import DateFormatter, HourLocator
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter
from PIL import Image

from grafana.boards import queue, wallboard
from grafana.panels import Json

FOLDER = Path(__file__).with_name("pictures")
DAY = 86400.0
STEP = 120.0
SAID = (
    "Plots of the data that the dashboard's queries return, of a simulated contact centre; not screenshots of Grafana."
)
COLORS = {"green": "#2e7d32", "#EAB839": "#b8860b", "orange": "#e65100", "red": "#c62828"}
LINES = ("#1f5fa8", "#d1701f", "#3b8a4d", "#8a4fa3", "#7a7a7a", "#b03060", "#2b8c8c", "#a08000")
_CALM = frozenset({"green", "blue", "text"})

Ask = Callable[[str, float, float, float], list[tuple[dict[str, str], list[tuple[float, float]]]]]
"""(query, start, end, step in seconds) -> labels and samples of each series."""


@dataclass(frozen=True, slots=True)
class Day:
    """What is drawn: 24 hours until `end`, unix seconds, and when something went wrong in them."""

    end: float
    values: Mapping[str, str]
    """Of the dashboards' variables."""
    incident: tuple[float, float] | None = None
    about: str = ""
    """The incident, in words."""

    @property
    def start(self) -> float:
        return self.end - DAY


def asking(url: str) -> Ask:
    """Prometheus at this address."""

    def ask(
        query: str, start: float, end: float, step: float
    ) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
        parameters = urllib.parse.urlencode({"query": query, "start": start, "end": end, "step": step})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/api/v1/query_range?{parameters}", timeout=60) as response:
            found = json.load(response)["data"]["result"]
        return [(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in found]

    return ask


def draw(board: Json, titles: Sequence[str], caption: str, ask: Ask, day: Day, columns: int) -> bytes:
    """A PNG with one plot for each panel."""
    shown = {panel["title"]: panel for panel in board["panels"]}
    rows = -(-len(titles) // columns)
    mpl.rcParams.update({"font.size": 8, "axes.titlesize": 9, "timezone": "UTC"})
    figure = Figure(figsize=(12, 2.05 * rows + 1.0), dpi=90, layout="constrained")
    figure.suptitle(f"{caption}\n{SAID}", fontsize=10)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for place, title in zip(axes.flat, titles, strict=False):
        _panel(place, shown[title], ask, day)
    for place in axes.flat[len(titles) :]:
        place.set_visible(False)
    raw = io.BytesIO()
    figure.savefig(raw, format="png")
    small = io.BytesIO()
    Image.open(raw).convert("RGB").quantize(64).save(small, format="png", optimize=True)
    return small.getvalue()


def _panel(axes: Axes, panel: Json, ask: Ask, day: Day) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    right: Axes | None = None
    colors = iter(LINES * 4)
    handles = []
    for target in panel["targets"]:
        own = _own(panel, target["refId"])
        unit = own.get("unit", defaults["unit"])
        place = axes
        if unit != defaults["unit"]:
            right = place = right or axes.twinx()
        _axis(place, unit)
        step = 1800.0 if target.get("interval") == "30m" else STEP
        dashed = "custom.lineStyle" in own
        for labels, samples in ask(_with(target["expr"], day.values), day.start, day.end, step):
            name = _named(target.get("legendFormat", ""), labels)
            moments, values = _gaps(samples, step)
            (line,) = place.plot(
                moments,  # type: ignore[arg-type]
                values,
                color=next(colors),
                linewidth=1.0,
                linestyle="--" if dashed else "-",
                label="" if name == "__auto" else name,
            )
            handles.append(line)
    _frame(axes, panel, day)
    named = [line for line in handles if not str(line.get_label()).startswith("_") and line.get_label()]
    if named:
        axes.legend(handles=named, fontsize=6, loc="upper left", framealpha=0.8, ncols=2)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: labels.get(match[1], ""), legend)


def _own(panel: Json, ref: str) -> dict[str, Any]:
    """What a query has that its panel has not."""
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byFrameRefID", "options": ref}:
            return {one["id"]: one["value"] for one in override["properties"]}
    return {}


def _frame(axes: Axes, panel: Json, day: Day) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    axes.set_title(panel["title"], loc="left")
    axes.grid(visible=True, color="#dddddd", linewidth=0.5)
    axes.xaxis.set_major_locator(HourLocator(byhour=range(0, 24, 4)))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    axes.set_xlim(_when(day.start), _when(day.end))  # type: ignore[arg-type]
    if defaults.get("min") == 0 or panel["type"] == "stat":
        axes.set_ylim(bottom=0)
    top = axes.get_ylim()[1]
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is not None and step["color"] not in _CALM and 0 < step["value"] <= top:
            axes.axhline(step["value"], color=COLORS[step["color"]], linewidth=0.8, linestyle=":")
    if day.incident:
        axes.axvspan(_when(day.incident[0]), _when(day.incident[1]), color="#f4d9c6", zorder=0)  # type: ignore[arg-type]


def _axis(axes: Axes, unit: str) -> None:
    if unit == "percentunit":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    elif unit == "s":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} s"))


def _gaps(samples: Sequence[tuple[float, float]], step: float) -> tuple[list[datetime], list[float]]:
    """Where samples are missing, the line breaks."""
    moments: list[datetime] = []
    values: list[float] = []
    before = None
    for moment, value in samples:
        if before is not None and moment - before > 1.5 * step:
            moments.append(_when(before + step))
            values.append(float("nan"))
        moments.append(_when(moment))
        values.append(value)
        before = moment
    return moments, values


def _when(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)


def _with(query: str, values: Mapping[str, str]) -> str:
    told = {**dict.fromkeys(("job", "instance_alias", "queue", "channel", "routing_profile"), ".+"), **values}
    told |= {"__range": f"{DAY:g}s", "__rate_interval": "5m", "__interval": f"{STEP:g}s"}
    return re.sub(r"\$(\w+)", lambda match: told[match[1]], query)


WALLBOARD = (
    "Service level, 30 minutes",
    "Abandoned, 30 minutes",
    "Waiting",
    "Longest wait",
    "Staffed and not ready",
    "Available agents",
    "In error",
    "Callbacks scheduled",
)
QUEUE = (
    "Waiting, and the longest wait",
    "Agents",
    "Service level by threshold, 30 minutes",
    "Answer, handle and after-contact time, 30 minutes",
    "Contacts per half hour",
    "When customers give up, 30 minutes",
    "Abandoned, and offers let pass",
    "Error budget burned, 30 minutes",
)


def pictures(ask: Ask, day: Day) -> dict[str, bytes]:
    """File name -> PNG: the wallboard over everything, and the queue dashboard for the one queue in `day`."""
    everything = Day(day.end, {k: v for k, v in day.values.items() if k != "queue"}, day.incident, day.about)
    date = f"{_when(day.start):%A %d %B %Y}, UTC"
    name = day.values.get("queue", "all queues")
    about = f"; shaded: {day.about}" if day.about else ""
    return {
        "wallboard.png": draw(
            wallboard.board(), WALLBOARD, f"Wallboard, each number over {date}{about}", ask, everything, 2
        ),
        "queue.png": draw(queue.board(), QUEUE, f"Queue “{name}”, {date}{about}", ask, day, 2),
    }


def write(found: Mapping[str, bytes], folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    for name, picture in found.items():
        (folder / name).write_bytes(picture)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grafana.plot", description="Plots of the dashboards' data.")
    parser.add_argument("--prometheus", default="http://localhost:9090", help="its address (%(default)s)")
    parser.add_argument("--end", type=float, default=None, help="unix seconds at which the 24 hours end; now")
    parser.add_argument("--queue", required=True, help="the queue of the second picture")
    parser.add_argument("--folder", type=Path, default=Path(), help="where the pictures go")
    options = parser.parse_args(arguments)
    end = (time.time() if options.end is None else options.end) // STEP * STEP
    write(pictures(asking(options.prometheus), Day(end, {"queue": options.queue})), options.folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
