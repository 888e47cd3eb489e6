"""Bounds the size of answers, and the time they take, while they are read: botocore itself would take in whatever
comes, and its read timeout begins anew with each byte.

By its event before-send, whose handler may bring the answer itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.client import BaseClient

LARGEST_ANSWER = 32 << 20
"""Bytes. The largest there is, a page of 100 rows with all metrics and thresholds, has less than one mebibyte."""


PIECE = 64 << 10
"""Bytes read at once, at most."""


class TooLargeError(ValueError):
    """An answer beyond all measure."""


def bound_answers(client: BaseClient, longest: float, largest: int = LARGEST_ANSWER) -> None:
    """From now on an answer of more than `largest` bytes, or one that is not whole `longest` seconds after its head, is
    an error, and is not read any further.
    """
    # There is no public way to it, and a connection pool of our own would not know botocore's proxies and certificates.
    session: Any = client._endpoint.http_session  # type: ignore[attr-defined]

    def send(*, request: AWSPreparedRequest, **_: object) -> Any:
        request.stream_output = True
        answer: Any = session.send(request)
        body = b"".join(_bounded(answer.raw, largest, time.monotonic() + longest))
        return AWSResponse(answer.url, answer.status_code, answer.headers, _Read(body))

    client.meta.events.register("before-send", send, unique_id="amazon-connect-exporter-bounds")


@dataclass(frozen=True, slots=True)
class _Read:
    """What botocore needs of a stream."""

    body: bytes

    def stream(self) -> Iterator[bytes]:
        yield self.body


def _bounded(raw: Any, largest: int, until: float) -> Iterator[bytes]:
    """Whatever has come, as it comes. The rest of what is given up must not be taken for the next answer."""
    read = 0
    while part := raw.read1(PIECE):
        read += len(part)
        if read > largest:
            raw.close()
            raise TooLargeError(f"the answer is larger than {largest} bytes")
        if time.monotonic() > until:
            raw.close()
            raise TimeoutError(f"the answer is not whole, {read} bytes have come")
        yield part
