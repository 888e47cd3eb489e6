from __future__ import annotations

import html.parser
import itertools
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.app import build_app
from exporter.web.page import REFRESH, Reload, Status, status_page
from exporter.web.style import STYLE
from tests.tools import need
from tests.unit.web_site import NOW, FakeSite, collector, instance, running, status

VOID = {"meta", "link", "br"}


class Reader(html.parser.HTMLParser):
    """The page as a reader has it: words in order, elements with their attributes, and whether all were closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(shown: Status, refresh: bool = True) -> Reader:
    reader = Reader(status_page(shown, NOW, refresh))
    assert reader.open == []
    return reader


FAILING = collector(
    "historical",
    "failing",
    last_success=NOW - 3900,
    last_attempt=NOW - 4,
    error="GetMetricData: access_denied",
    hint="Allow connect:GetMetricData on queue/*.",
)


def test_the_page_says_who_it_is_and_since_when() -> None:
    text = read(status(instance())).text
    assert "Amazon Connect exporter version 1.2.3, revision abc1234" in text
    assert "Started 2026-09-21 12:08:20 UTC , 2 h 5 min ago" in text
    assert "Configuration /etc/exporter/config.yml Configuration hash 5d41402abc4b2a76 Last reload none yet" in text


def test_a_collector_shows_its_state_in_words_the_age_of_its_data_and_its_series() -> None:
    text = read(status(instance("a", collector("current", duration=0.42, series=12345)))).text
    assert "current ✓ OK 8 s ago 2026-09-21 14:13:12 UTC 8 s ago 2026-09-21 14:13:12 UTC 0.4 s 15 s 12,345" in text


def test_a_failing_collector_says_what_went_wrong_and_what_to_do() -> None:
    text = read(status(instance("a", FAILING))).text
    assert "historical ! Failing 1 h 5 min ago" in text
    assert "GetMetricData: access_denied What to do: Allow connect:GetMetricData on queue/*." in text


def test_a_collector_that_was_never_tried_shows_no_moment_of_it() -> None:
    idle = collector("current", "waiting", last_success=None, last_attempt=None, duration=None, series=0)
    assert "current … Waiting no data yet none yet – 15 s 0" in read(status(instance("a", idle))).text


@pytest.mark.parametrize(
    ("states", "verdict"),
    [
        (["ok"], "✓ The instance is well."),
        (["ok", "ok"], "✓ All 2 instances are well."),
        (["failing"], "! The instance is failing."),
        (["ok", "failing", "ok"], "! 1 of 3 instances needs attention: 1 Failing, 2 OK."),
        (
            ["stale", "failing", "waiting", "ok"],
            "✕ 2 of 4 instances need attention: 1 Stale, 1 Failing, 1 Waiting, 1 OK.",
        ),
        (["waiting", "ok"], "… 2 instances: 1 Waiting, 1 OK."),
        ([], "… No instance is being collected:"),
    ],
)
def test_the_first_line_tells_how_things_stand(states: list[str], verdict: str) -> None:
    instances = [instance(f"i{number}", collector(state=state)) for number, state in enumerate(states)]
    assert verdict in read(status(*instances)).text


def test_an_instance_is_as_well_as_its_worst_collector() -> None:
    page = read(status(instance("a", collector("current"), FAILING, collector("inventory"))))
    assert "a ! Failing 0a1b2c3d" in page.text


def test_the_sick_come_before_the_well() -> None:
    shown = status(instance("a-well"), instance("z-sick", FAILING), instance("b-waiting", collector(state="waiting")))
    text = read(shown).text
    details = text[text.index("Needs attention") :]
    assert details.index("z-sick") < details.index("Overview") < details.index("b-waiting") < details.index("a-well")


def test_where_many_are_sick_the_overview_comes_first() -> None:
    text = read(status(*(instance(f"i{number}", FAILING) for number in range(9)))).text
    assert text.index("Overview") < text.index("Needs attention")


def test_the_overview_leads_to_each_instance() -> None:
    page = read(status(instance("a"), replace(instance("b"), instance_id="b <&> id")))
    targets = {attributes["id"] for attributes in page.all("article")}
    links = {str(link["href"])[1:] for link in page.all("a") if str(link["href"]).startswith("#")}
    assert len(targets) == 2
    assert links == targets


def test_refusals_and_warnings_are_told() -> None:
    text = read(status(instance("a", notes=("AWS refused ESTIMATED_WAIT_TIME.",)), warnings=("two of a name",))).text
    assert "AWS refused ESTIMATED_WAIT_TIME." in text
    assert "1 warning two of a name" in text


def test_a_failed_reload_is_told_with_its_faults() -> None:
    faults = ("config.yml: instances.0.region: Field required",)
    text = read(replace(status(instance()), last_reload=Reload(False, NOW - 60, faults))).text
    assert "The last reload failed on 2026-09-21 14:12:20 UTC , 1 min ago." in text
    assert faults[0] in text


def test_a_reload_that_worked_is_told_quietly() -> None:
    text = read(replace(status(instance()), last_reload=Reload(True, NOW - 60))).text
    assert "Last reload Succeeded, 2026-09-21 14:12:20 UTC , 1 min ago" in text
    assert "reload failed" not in text


def test_an_age_after_the_clock_was_set_back_is_not_negative() -> None:
    assert "in 2 min" in read(status(instance("a", collector(last_success=NOW + 120)))).text


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (0, "0 s ago"),
        (0.7, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min 59 s ago"),
        (90061, "1 d 1 h ago"),
    ],
)
def test_ages_are_told_in_their_two_largest_units(ago: float, words: str) -> None:
    assert f" {words} " in read(status(instance("a", collector(last_success=NOW - ago)))).text


def test_the_page_links_to_everything_there_is_by_relative_addresses() -> None:
    hrefs = [link["href"] for link in read(status(instance())).all("a")]
    assert hrefs[:4] == ["metrics", "config", "-/healthy", "-/ready"]


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    page = read(status(instance("a", FAILING), instance("b")))
    assert {name for name, _ in page.elements} & {"script", "img", "iframe", "object", "form", "button"} == set()
    assert [link["href"] for link in page.all("link")] == ["data:,"]
    assert "url(" not in STYLE
    assert "@import" not in STYLE
    for _, attributes in page.elements:
        assert not {name for name in attributes if name == "style" or name.startswith("on")}


def test_the_page_refreshes_itself_unless_told_not_to() -> None:
    refreshing = [meta["content"] for meta in read(status()).all("meta") if meta.get("http-equiv") == "refresh"]
    assert refreshing == [str(REFRESH)]
    assert [meta for meta in read(status(), refresh=False).all("meta") if meta.get("http-equiv") == "refresh"] == []


@given(
    st.text(min_size=1),
    st.sampled_from(["<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "&lt;", "]]>"]),
)
def test_no_text_from_elsewhere_becomes_markup(name: str, attack: str) -> None:
    hostile = attack + name + attack
    plain = status(instance("a", collector(error="e", hint="h"), notes=("n",)), instance("b"), warnings=("w",))
    shown = replace(
        plain,
        title=hostile,
        version=hostile,
        revision=hostile,
        config_path=hostile,
        config_hash=hostile,
        last_reload=Reload(False, NOW, (hostile,)),
        warnings=(hostile,),
        instances=tuple(
            replace(
                each,
                alias=hostile,
                instance_id=hostile,
                region=hostile,
                account_id=hostile,
                identity=hostile,
                notes=tuple(hostile for _ in each.notes),
                collectors=tuple(
                    replace(
                        one,
                        name=hostile,
                        state=hostile,
                        error=hostile if one.error else "",
                        hint=hostile if one.hint else "",
                    )
                    for one in each.collectors
                ),
            )
            for each in plain.instances
        ),
    )
    expected = replace(plain, last_reload=Reload(False, NOW, ("f",)))
    assert {tag for tag, _ in read(shown).elements} == {tag for tag, _ in read(expected).elements}


def test_two_hundred_instances_are_one_row_each_and_quickly_found() -> None:
    many = [instance(f"support-{number:03d}", *(collector(name) for name in "abcd")) for number in range(200)]
    page = status_page(status(*many, instance("zz-sick", FAILING)), NOW)
    overview = page[page.index('<table class="overview">') :]
    rows = overview[: overview.index("</table>")].count("<tr>")
    assert rows == 1 + 201
    assert page.index("What to do:") < page.index("Overview")
    assert len(page) < 800_000


def luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance of "#rgb" or "#rrggbb"."""
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_stands_out_from_its_ground_in_light_and_dark(scheme: str) -> None:
    light, dark = re.findall(r":root\{([^}]*)\}", STYLE)
    colours = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]+)", light if scheme == "light" else dark))
    pairs = [*itertools.product(("ink", "soft", "link"), ("ground", "card"))]
    pairs += [(state, f"{state}-bg") for state in ("ok", "failing", "stale", "waiting")] + [("card", "stale")]
    for ink, ground in pairs:
        lighter, darker = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, ground)


def test_a_browser_renders_the_page_styled_and_runs_no_injected_script(tmp_path: Path) -> None:
    chromium = need("chromium")
    attack = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    shown = status(
        instance(f"support {attack}", replace(FAILING, error=f"queue {attack} is gone")),
        instance("other"),
        warnings=(attack,),
    )
    with running(build_app(FakeSite(shown=shown), lambda: NOW)) as server:
        dom = browse(chromium, f"http://127.0.0.1:{server.port}/?refresh=off", tmp_path)
    page = Reader(dom)
    title = dom[dom.index("<title>") : dom.index("</title>")]
    assert title == "<title>(1) Amazon Connect exporter"
    assert page.all("script") == []
    assert page.all("img") == []
    assert attack in page.text
    assert "1 of 2 instances needs attention" in page.text


def test_a_browser_lets_the_style_sheet_in(tmp_path: Path) -> None:
    """The policy names the sheet by its hash: one byte off, and the page would be bare."""
    chromium = need("chromium")
    with running(build_app(FakeSite(), lambda: NOW)) as server:
        address = f"http://127.0.0.1:{server.port}/?refresh=off"
        browse(chromium, address, tmp_path, f"--screenshot={tmp_path / 'page.png'}", "--window-size=800,600")
        log = (tmp_path / "chromium.log").read_text()
    assert (tmp_path / "page.png").stat().st_size > 0
    assert "Content Security Policy" not in log


def browse(chromium: str, address: str, profile: Path, *arguments: str) -> str:
    """What headless Chromium makes of a page: its document, or whatever `arguments` ask for."""
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--enable-logging=stderr",
        f"--user-data-dir={profile / 'profile'}",
        *(arguments or ("--dump-dom",)),
        address,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    (profile / "chromium.log").write_text(done.stderr)
    return done.stdout
