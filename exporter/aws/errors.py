"""Translation of everything that can go wrong in a call to AWS into the closed set of reasons, once, at the edge."""

from __future__ import annotations

import re
from http.client import HTTPException
from typing import NamedTuple

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3 import exceptions as http

from exporter.model import CallFailed, Reason

MESSAGE_LENGTH = 300

_THROTTLING = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_STALE = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "Forbidden", "ForbiddenException", "UnauthorizedOperation"}
)
_NOT_FOUND = frozenset({"NotFoundException", "ResourceNotFoundException"})
_SERVER = frozenset(
    {
        "InternalFailure",
        "InternalServerError",
        "InternalServiceException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)

_RESOLVING = frozenset(
    {
        "AssumeRole",
        "AssumeRoleWithSAML",
        "AssumeRoleWithWebIdentity",
        "CreateOAuth2Token",
        "CreateToken",
        "GetRoleCredentials",
    }
)
"""Operations that nobody calls for their own sake: botocore does, on its way to credentials."""

_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.UnknownCredentialError,
    boto.NoAuthTokenError,
    boto.TokenRetrievalError,
    boto.UnknownTokenProviderError,
    boto.ProfileNotFound,
    boto.ConfigParseError,
    boto.ConfigNotFound,
    boto.InvalidConfigError,
    boto.MetadataRetrievalError,
    boto.RefreshWithMFAUnsupportedError,
    boto.SSOError,
    boto.LoginError,
)
_BAD_CALL = (
    boto.ParamValidationError,
    boto.ValidationError,
    boto.BaseEndpointResolverError,
    boto.EndpointProviderError,
    boto.UnknownRegionError,
)
_LATE = (boto.ReadTimeoutError, boto.ConnectTimeoutError, http.TimeoutError, TimeoutError)
_CUT = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, http.HTTPError, HTTPException)
_UNREADABLE = (ResponseParserError, ValueError, TypeError, AttributeError, LookupError)

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_SECRETS = (
    # A signature error quotes the request it wanted, session token included.
    (re.compile(r"The Canonical String for this request.*", re.DOTALL), ""),
    # An answer that can not be read is quoted whole, and may be STS's, cut in the midst of a secret.
    (re.compile(r"\s*Further retries may succeed.*", re.DOTALL), ""),
    (re.compile(r"(x-amz-security-token|signature|credential)(\s*[:=]\s*)\S+", re.IGNORECASE), r"\1\2…"),
    (re.compile(r"//[^/@\s]+@"), "//…@"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{8,}"), r"\1…"),
    # An ARN is none, however long its names: it says who was denied, and what.
    (re.compile(r"(\barn:aws[\w-]*:[\w-]+:[\w-]*:[\d*]*:[\w+.@:/*-]+)|[A-Za-z0-9+/=]{40,}"), lambda m: m[1] or "…"),
)


class CutBodyError(Exception):
    """An answer that ended before the length it had announced."""


class Failure(NamedTuple):
    """What an exception means. `code` is AWS's own, else the HTTP status, else empty (no answer came)."""

    reason: Reason
    code: str
    message: str


def classify(error: BaseException) -> Failure:
    """The reason behind whatever a boto3 call raised; never raises itself."""
    if isinstance(error, CallFailed):
        return Failure(error.reason, error.code, error.message)
    if isinstance(error, boto.ClientError):
        return _answered(error)
    return Failure(_unanswered(error), "", clean(str(error) or type(error).__name__))


def is_stale(failure: CallFailed) -> bool:
    """Whether asking the credential chain again may help."""
    return failure.reason is Reason.CREDENTIALS and failure.code in _STALE


def clean(message: str) -> str:
    """One line, at most MESSAGE_LENGTH characters, without anything that looks like a secret."""
    for pattern, replacement in _SECRETS:
        message = pattern.sub(replacement, message)
    message = " ".join(message.split())
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"


def _answered(error: boto.ClientError) -> Failure:
    status = _status(error)
    details = error.response.get("Error", {})
    code = _code(details.get("Code"), status)
    message = clean(str(details.get("Message") or ""))
    reason = _reason(code, status)
    if error.operation_name in _RESOLVING:
        message = f"{error.operation_name}: {message or code}"
        if reason in (Reason.ACCESS_DENIED, Reason.NOT_FOUND, Reason.INVALID_REQUEST):
            reason = Reason.CREDENTIALS
    return Failure(reason, code, message)


def _status(error: boto.ClientError) -> int:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else 0


def _code(said: object, status: int) -> str:
    """The code becomes a label value, so a body that says something odd must not get through."""
    # The header x-amzn-ErrorType may read "Code:http://…", a JSON __type "namespace#Code".
    code = str(said or "").split(":", 1)[0].rsplit("#", 1)[-1].strip()
    return code if _CODE.fullmatch(code) else str(status or "")


def _reason(code: str, status: int) -> Reason:
    if status == 429 or code in _THROTTLING:
        return Reason.THROTTLED
    if status >= 500 or code in _SERVER:
        return Reason.SERVER_ERROR
    if code in _CREDENTIALS or status == 401:
        return Reason.CREDENTIALS
    if code in _DENIED or status == 403:
        return Reason.ACCESS_DENIED
    if code in _NOT_FOUND or status == 404:
        return Reason.NOT_FOUND
    # A redirect comes from something between us and AWS.
    return Reason.BAD_RESPONSE if 300 <= status < 400 else Reason.INVALID_REQUEST


def _unanswered(error: BaseException) -> Reason:
    """Order matters: botocore's classes inherit from each other and from Python's."""
    if isinstance(error, _LATE):
        return Reason.TIMEOUT
    if isinstance(error, (*_CUT, CutBodyError)):
        return Reason.CONNECTION
    if isinstance(error, _NO_CREDENTIALS):
        return Reason.CREDENTIALS
    if isinstance(error, _BAD_CALL):
        return Reason.INVALID_REQUEST
    if isinstance(error, _UNREADABLE) and not isinstance(error, boto.BotoCoreError):
        return Reason.BAD_RESPONSE
    return Reason.CONNECTION if isinstance(error, OSError) else Reason.INTERNAL
