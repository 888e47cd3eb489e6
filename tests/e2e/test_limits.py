"""An instance that has more series than Prometheus is to take."""

from __future__ import annotations

from pathlib import Path

from tests.accounts import HOME, Living, centre, keys, world
from tests.e2e.daemon import OWN, Series, about, daemon, errors, failed, labels, ok, refreshed_since, settings

FEW, MANY = 2, 30
WHO = labels(instance_alias="centre-1", collector="current")
OTHER = "centre-2"
LAST_SUCCESS = OWN + "collector_last_success_timestamp_seconds"


def of_current(page: Series) -> Series:
    """What stands on the page of real-time values."""
    return {key: value for key, value in about(page, "centre-1").items() if not key[0].endswith("_info")}


def test_a_result_beyond_the_limit_is_refused_whole_counted_and_said_and_the_rest_is_kept(tmp_path: Path) -> None:
    living = Living(instances=(centre(1, HOME, queues=FEW), centre(2, HOME, queues=FEW)))
    with world(living) as aws:
        configured = settings(
            aws.url, [{"id": one.arn, "alias": one.alias} for one in living.instances], limits={"max_series": 600}
        )
        configured["inventory"] = {"interval": "1s"}
        with daemon(tmp_path, configured, env=keys(aws)) as running:
            before = running.wait(lambda page: ok("centre-1")(page) and of_current(page), "within the limit")
            assert before[OWN + "series_dropped_total", WHO] == 0

            living.instances = (centre(1, HOME, queues=MANY), living.instances[1])
            page = running.wait(failed("centre-1"), "beyond the limit")
            dropped = page[OWN + "series_dropped_total", WHO]
            assert dropped > 600
            assert errors(page, "centre-1", "internal") >= 1
            told = running.get("/").text
            assert "limits.max_series (600) has room for" in told
            assert "Raise limits.max_series, or select fewer queues, levels or metrics." in told
            assert "report it" not in told
            # Not cut somewhere: either the last whole result, or nothing.
            page = running.wait(lambda page: not of_current(page), "the last whole result has grown too old")
            assert page[OWN + "collector_series", WHO] == 0
            assert page[OWN + "series_dropped_total", WHO] > dropped
            names = [key for key in about(page, "centre-1") if key[0] == "amazon_connect_queue_info"]
            assert len(names) == MANY
            assert ok("centre-1", "inventory")(page)
            assert about(page, OTHER)
            assert running.wait(
                refreshed_since(page[LAST_SUCCESS, labels(instance_alias=OTHER, collector="current")], OTHER), "fresh"
            )

            living.instances = (centre(1, HOME, queues=FEW), living.instances[1])
            after = running.wait(lambda page: ok("centre-1")(page) and of_current(page), "within the limit again")
            assert of_current(after).keys() == of_current(before).keys()
