"""What the simulated service makes of a request, without a socket in sight."""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from exporter.simulator import troubles, wire
from exporter.simulator.authorisation import Authorisation
from exporter.simulator.errors import Refused
from exporter.simulator.faults import Fault, Faults, Request
from exporter.simulator.identity import Identities
from exporter.simulator.messages import JSON, XML, Message, Reply
from exporter.simulator.operations import HANDLERS, PAGE_SIZES, Question
from exporter.simulator.pages import Listing, Pages
from exporter.simulator.quotas import Quotas
from exporter.simulator.view import WorldView

log = logging.getLogger(__name__)

# STS spells in its own way what the services behind JSON gateways say.
_STS_ERRORS: Mapping[str, tuple[str, int]] = {
    "": ("Throttling", 400),
    "AccessDeniedException": ("AccessDenied", 403),
    "ThrottlingException": ("Throttling", 400),
    "TooManyRequestsException": ("Throttling", 400),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "IncompleteSignatureException": ("IncompleteSignature", 400),
    "InvalidSignatureException": ("SignatureDoesNotMatch", 403),
    "InternalServiceException": ("InternalFailure", 500),
    "ServiceUnavailableException": ("ServiceUnavailable", 503),
}
Observer = Callable[[Request, Mapping[str, Any]], None]
"""Is told of every true answer that went out whole: the request, and the page that answers it."""

_ERROR_TYPE_TAILS = ("", ":http://internal.amazon.com/coral/com.amazonaws.connect/")


@dataclass(frozen=True, slots=True)
class Served:
    """One request as it was answered. Where there was no whole answer, `status` is 0 and `code` the fault's kind."""

    operation: str
    instance: str | None
    params: Mapping[str, Any]
    status: int
    code: str
    """AWS's error code, or the status of an error without one; empty where all was well."""
    account: str = ""
    region: str = ""
    fault: str = ""
    """The kind of the scripted fault behind the answer, if there was one."""


@dataclass(slots=True)
class _Case:
    """One request on its way through, as far as it is understood."""

    message: Message
    service: str
    request_id: str
    request: Request | None = None
    faults: tuple[Fault, ...] = ()
    page: Mapping[str, Any] | None = None
    """The true answer, where Amazon Connect gave one."""

    @property
    def headers(self) -> dict[str, str]:
        return {"x-amzn-RequestId": self.request_id}


class Service:
    """`wall` gives unix seconds by the machine's clock; `unknown_queue` is the error code for an unusable queue in a
    filter; `keep` requests are remembered. `authorisation` may be replaced while requests are served.
    No page has more than `largest_page` items,
    whatever a request allows."""

    def __init__(
        self,
        world: WorldView,
        faults: Faults,
        quotas: Quotas,
        *,
        wall: Callable[[], float],
        unknown_queue: str,
        keep: int,
        authorisation: Authorisation,
        observe: Observer | None = None,
        largest_page: int = 1000,
    ) -> None:
        self.authorisation = authorisation
        self._world = world
        self._faults = faults
        self._quotas = quotas
        self._identities = Identities(lambda: [instance.account_id for instance in world.instances], wall)
        self._unknown_queue = unknown_queue
        self._observe = observe
        self._largest_page = largest_page
        self._pages = Pages(world.clock)
        self.requests: deque[Served] = deque(maxlen=keep)

    def answer(self, message: Message) -> Reply:
        """The answer to a signed request for Amazon Connect or STS, which share the port: POST / is STS's."""
        sts = message.method == "POST" and urlsplit(message.target).path == "/"
        case = _Case(message, "sts" if sts else "connect", str(uuid.uuid4()))
        code = ""
        try:
            reply = self._sts(case) if sts else self._connect(case)
        except Refused as refused:
            reply = self._refusal(case, refused)
            code = refused.code or str(reply.status)
        except Exception:
            # A mistake in here is a 500 to the caller, as in any service.
            log.exception("the simulator failed")
            reply = self._refusal(case, Refused("InternalServiceException", "", 500))
            code = "InternalServiceException"
        self._record(case, reply, code)
        return replace(reply, delay=sum(fault.delay for fault in case.faults if fault.kind == "delay"))

    def _record(self, case: _Case, reply: Reply, code: str) -> None:
        fault = case.faults[-1].kind if case.faults else ""
        status, code = (reply.status, code) if reply.ending == "whole" else (0, fault)
        request = case.request
        if request is None:
            self.requests.append(Served("", None, {}, status, code))
            return
        if self._observe is not None and case.page is not None and reply.ending == "whole":
            self._observe(request, case.page)
        caller, instance = request.caller, request.params.get("InstanceId")
        self.requests.append(
            Served(request.operation, instance, request.params, status, code, caller.account_id, caller.region, fault)
        )

    # --- the two services -----------------------------------------------------------------------------------------

    def _connect(self, case: _Case) -> Reply:
        message = case.message
        caller = self._identities.caller(message.headers, case.service)
        parts = urlsplit(message.target)
        operation, path = wire.route(message.method, parts.path)
        case.request = request = Request(case.service, operation, caller, path)
        if not self._quotas.take(caller.account_id, caller.region, operation):
            raise troubles.throttled(self._faults.turn)
        try:
            params = wire.read_rest_json(operation, path, parts.query, message.body)
        except Refused as unreadable:
            return self._with_faults(case, request, _raising(unreadable))
        case.request = request = replace(request, params=params)
        return self._with_faults(case, request, lambda request: self._connect_answer(case, request))

    def _sts(self, case: _Case) -> Reply:
        caller = self._identities.caller(case.message.headers, case.service)
        operation, params = wire.read_query(case.message.body)
        case.request = request = Request(case.service, operation, caller, params)

        def answer(request: Request) -> Reply:
            body = wire.write_query(operation, self._sts_answer(request), case.request_id)
            return Reply(200, body, XML)

        return self._with_faults(case, request, answer)

    def _with_faults(self, case: _Case, request: Request, answer: Callable[[Request], Reply]) -> Reply:
        """The true answer, or what befalls the request instead."""
        case.faults = self._faults.befalling(request)
        fault = next((fault for fault in case.faults if fault.kind != "delay"), None)
        match fault:
            case None:
                reply = answer(request)
            case Fault(kind="cut"):
                reply = replace(answer(request), ending="cut")
            case Fault(kind="drip"):
                reply = replace(answer(request), ending="drip", pace=fault.delay)
            case _:
                reply = troubles.answer(fault, request, self._faults.turn)
        return replace(reply, headers=case.headers)

    # --- true answers ---------------------------------------------------------------------------------------------

    def _connect_answer(self, case: _Case, request: Request) -> Reply:
        self.authorisation.check(request)
        _check(request)
        case.page = page = self._page(request)
        return Reply(200, wire.write_rest_json(request.operation, page), JSON)

    def _page(self, request: Request) -> Mapping[str, Any]:
        operation, params, caller = request.operation, request.params, request.caller
        scope = (caller.account_id, caller.region, operation)
        size = min(self._largest_page, int(params.get("MaxResults", PAGE_SIZES.get(operation, 1))))
        if "NextToken" in params:
            return self._pages.next(
                scope, params, size, lambda message: wire.invalid(request.service, operation, message)
            )
        answer = HANDLERS[operation](Question(self._world, caller, params, self._unknown_queue))
        return self._pages.first(scope, params, answer, size) if isinstance(answer, Listing) else answer

    def _sts_answer(self, request: Request) -> Mapping[str, Any]:
        self.authorisation.check(request)
        _check(request)
        caller, params = request.caller, request.params
        if request.operation == "GetCallerIdentity":
            return {"UserId": caller.user_id, "Account": caller.account_id, "Arn": caller.arn}
        seconds = int(params.get("DurationSeconds", 3600))
        return self._identities.assume(params["RoleArn"], params["RoleSessionName"], seconds)

    # --- errors ---------------------------------------------------------------------------------------------------

    def _refusal(self, case: _Case, refused: Refused) -> Reply:
        if case.service == "sts":
            code, status = _STS_ERRORS.get(refused.code, (refused.code, refused.status))
            body = wire.write_query_error(code, refused.message, case.request_id, status)
            return Reply(status, body, XML, case.headers)
        status = refused.status or wire.status_of(refused.code)
        if not refused.code:
            return Reply(status, wire.json_bytes({"message": refused.message}), JSON, case.headers)
        error_type = refused.code + self._faults.turn("error type", _ERROR_TYPE_TAILS)
        body = wire.json_bytes({"Message": refused.message})
        return Reply(status, body, JSON, {**case.headers, "x-amzn-ErrorType": error_type})


def _raising(refused: Refused) -> Callable[[Request], Reply]:
    def answer(_: Request) -> Reply:
        raise refused

    return answer


def _check(request: Request) -> None:
    broken = wire.violations(request.service, request.operation, request.params)
    if broken:
        count = f"{len(broken)} validation error{'s' if len(broken) > 1 else ''} detected"
        raise wire.invalid(request.service, request.operation, f"{count}: {'; '.join(broken)}")
