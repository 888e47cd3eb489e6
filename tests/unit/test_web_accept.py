from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.accept import wants_gzip, wants_openmetrics

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8",
        'application/openmetrics-text;version="1.0.0"',
        "text/plain;version=0.0.4, application/openmetrics-text;version=1.0.0",
        "text/plain;q=0.5, application/openmetrics-text;q=0.9",
        # The more specific range counts, and it says that text is liked less.
        "*/*, text/*;q=0.4, application/openmetrics-text;q=0.5",
        "text/plain;version=0.0.4;q=0.2, text/plain;q=0.9, application/openmetrics-text;q=0.5",
        # This is not the text format we have.
        "text/plain;version=1.0.0, application/openmetrics-text;version=1.0.0;q=0.1",
    ],
)
def test_openmetrics_goes_to_a_client_that_names_it_and_likes_it_no_less(accept: str) -> None:
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        CHROME,
        "text/plain",
        "application/*",
        "application/json",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.5",
        # A version that we do not speak.
        "application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;q=high",
        "application/openmetrics-text;q=nan",
    ],
)
def test_text_goes_to_everybody_else(accept: str) -> None:
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("*", True),
        ("identity;q=0.5, gzip", True),
        ("", False),
        ("identity", False),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, deflate", False),
        ("gzip; q=0.000, *", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=yes", False),
        ("gzipped", False),
    ],
)
def test_gzip_goes_to_a_client_that_takes_it(accept_encoding: str, expected: bool) -> None:
    assert wants_gzip(accept_encoding) is expected


@given(st.text(alphabet=' ,;=*/"q01.2-agipztx\t\x00é'))
def test_no_header_is_an_error(header: str) -> None:
    assert wants_openmetrics(header) in (True, False)
    assert wants_gzip(header) in (True, False)
