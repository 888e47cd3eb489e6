from __future__ import annotations

import http.client

import pytest
import urllib3
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from hypothesis import given
from hypothesis import strategies as st

from exporter.aws.errors import MESSAGE_LENGTH, CutBodyError, classify, clean
from exporter.model import Reason


def answered(
    status: int, code: object = "", message: object = "no", operation: str = "GetCurrentMetricData"
) -> boto.ClientError:
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return boto.ClientError(response, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "reason", "code"),
    [
        (answered(429, "ThrottlingException"), Reason.THROTTLED, "ThrottlingException"),
        (answered(429, "TooManyRequestsException"), Reason.THROTTLED, "TooManyRequestsException"),
        (answered(429, "429"), Reason.THROTTLED, "429"),
        (answered(429, "LimitExceededException"), Reason.THROTTLED, "LimitExceededException"),
        (answered(400, "Throttling"), Reason.THROTTLED, "Throttling"),
        (answered(503, "RequestLimitExceeded"), Reason.THROTTLED, "RequestLimitExceeded"),
        (answered(503, "SlowDown"), Reason.THROTTLED, "SlowDown"),
        (answered(403, "ExpiredTokenException"), Reason.CREDENTIALS, "ExpiredTokenException"),
        (answered(403, "ExpiredToken"), Reason.CREDENTIALS, "ExpiredToken"),
        (answered(403, "UnrecognizedClientException"), Reason.CREDENTIALS, "UnrecognizedClientException"),
        (answered(403, "InvalidClientTokenId"), Reason.CREDENTIALS, "InvalidClientTokenId"),
        (answered(403, "InvalidSignatureException"), Reason.CREDENTIALS, "InvalidSignatureException"),
        (answered(403, "MissingAuthenticationToken"), Reason.CREDENTIALS, "MissingAuthenticationToken"),
        (answered(403, "AccessDeniedException"), Reason.ACCESS_DENIED, "AccessDeniedException"),
        (answered(400, "AccessDenied"), Reason.ACCESS_DENIED, "AccessDenied"),
        (answered(403, "Forbidden"), Reason.ACCESS_DENIED, "Forbidden"),
        (answered(403), Reason.ACCESS_DENIED, "403"),
        (answered(403, "AccessDenied", operation="AssumeRole"), Reason.CREDENTIALS, "AccessDenied"),
        (answered(400, "ValidationError", operation="AssumeRole"), Reason.CREDENTIALS, "ValidationError"),
        (answered(503, "ServiceUnavailable", operation="AssumeRole"), Reason.SERVER_ERROR, "ServiceUnavailable"),
        (answered(404, "ResourceNotFoundException", None), Reason.NOT_FOUND, "ResourceNotFoundException"),
        (answered(404), Reason.NOT_FOUND, "404"),
        (answered(400, "InvalidParameterException"), Reason.INVALID_REQUEST, "InvalidParameterException"),
        (answered(410, "Gone"), Reason.INVALID_REQUEST, "Gone"),
        (answered(500, "InternalServiceException"), Reason.SERVER_ERROR, "InternalServiceException"),
        (answered(502), Reason.SERVER_ERROR, "502"),
        (answered(307), Reason.BAD_RESPONSE, "307"),
        (
            answered(403, "AccessDeniedException:http://internal.amazon.com/"),
            Reason.ACCESS_DENIED,
            "AccessDeniedException",
        ),
        (answered(400, "com.amazonaws#InvalidRequestException"), Reason.INVALID_REQUEST, "InvalidRequestException"),
        (answered(400, 17), Reason.INVALID_REQUEST, "400"),
        (answered(400, "<html>"), Reason.INVALID_REQUEST, "400"),
        (boto.ReadTimeoutError(endpoint_url="x"), Reason.TIMEOUT, ""),
        (boto.ConnectTimeoutError(endpoint_url="x"), Reason.TIMEOUT, ""),
        (boto.EndpointConnectionError(endpoint_url="x"), Reason.CONNECTION, ""),
        (boto.ConnectionClosedError(endpoint_url="x"), Reason.CONNECTION, ""),
        (boto.SSLError(endpoint_url="x", error=OSError("y")), Reason.CONNECTION, ""),
        (boto.HTTPClientError(error="x"), Reason.CONNECTION, ""),
        (boto.ResponseStreamingError(error="x"), Reason.CONNECTION, ""),
        (boto.IncompleteReadError(actual_bytes=1, expected_bytes=2), Reason.CONNECTION, ""),
        (urllib3.exceptions.ProtocolError("x"), Reason.CONNECTION, ""),
        (http.client.IncompleteRead(b"x"), Reason.CONNECTION, ""),
        (ConnectionResetError("x"), Reason.CONNECTION, ""),
        (CutBodyError("x"), Reason.CONNECTION, ""),
        (boto.NoCredentialsError(), Reason.CREDENTIALS, ""),
        (boto.PartialCredentialsError(provider="x", cred_var="y"), Reason.CREDENTIALS, ""),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), Reason.CREDENTIALS, ""),
        (boto.TokenRetrievalError(provider="x", error_msg="y"), Reason.CREDENTIALS, ""),
        (boto.ProfileNotFound(profile="x"), Reason.CREDENTIALS, ""),
        (boto.UnauthorizedSSOTokenError(), Reason.CREDENTIALS, ""),
        (boto.SSOTokenLoadError(profile_name="x", error_msg="y"), Reason.CREDENTIALS, ""),
        (boto.ParamValidationError(report="x"), Reason.INVALID_REQUEST, ""),
        (boto.NoRegionError(), Reason.INVALID_REQUEST, ""),
        (ResponseParserError("x"), Reason.BAD_RESPONSE, ""),
        (ValueError("x"), Reason.BAD_RESPONSE, ""),
        (AttributeError("x"), Reason.BAD_RESPONSE, ""),
        (KeyError("x"), Reason.BAD_RESPONSE, ""),
        (TypeError("x"), Reason.BAD_RESPONSE, ""),
        (MemoryError(), Reason.INTERNAL, ""),
        (boto.DataNotFoundError(data_path="x"), Reason.INTERNAL, ""),
    ],
    ids=lambda value: f"{type(value).__name__} {value}" if isinstance(value, Exception) else None,
)
def test_every_error_has_its_reason_and_keeps_the_code_of_aws(error: Exception, reason: Reason, code: str) -> None:
    failure = classify(error)
    assert (failure.reason, failure.code) == (reason, code)


def test_a_failure_on_the_way_to_credentials_names_the_call_that_failed() -> None:
    message = classify(answered(403, "AccessDenied", "not authorized", "AssumeRole")).message
    assert message == "AssumeRole: not authorized"


@given(
    st.integers(0, 999),
    st.one_of(st.none(), st.text(), st.integers(), st.lists(st.integers())),
    st.one_of(st.none(), st.text()),
)
def test_whatever_an_answer_says_its_code_is_fit_for_a_label_and_its_message_for_a_line(
    status: int, code: object, message: object
) -> None:
    failure = classify(answered(status, code, message))
    assert failure.code.isascii()
    assert len(failure.code) <= 64
    assert len(failure.message) <= MESSAGE_LENGTH
    assert len(failure.message.splitlines()) <= 1


@pytest.mark.parametrize(
    "message",
    [
        "wrong.\n\nThe Canonical String for this request should have been\n'POST\n/\nx-amz-security-token:SECRET'",
        "header X-Amz-Security-Token: SECRET is odd",
        "Credential=SECRET, SignedHeaders=host, Signature=SECRET",
        "proxy http://me:SECRET@proxy:3128 refused",
        "key wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLESECRETKEY is wrong",
    ],
)
def test_a_message_never_carries_a_secret(message: str) -> None:
    assert "SECRET" not in clean(message)


def test_an_arn_of_long_names_is_no_secret_and_a_secret_beside_it_is_one() -> None:
    arn = "arn:aws:sts::111122223333:assumed-role/ContactCentreMetricsReadOnlyCrossAccountRole/exporter"
    message = f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
    assert clean(message) == message
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYabcdef"
    for around in (" {} {}", "{},{}", "{}={}", "{};{}", "{}\n{}"):
        assert secret not in clean(around.format(arn, secret))


def test_a_message_that_names_an_arn_stays_readable() -> None:
    message = "User: arn:aws:sts::111122223333:assumed-role/r/i-0a1b2c is not authorized to perform: connect:ListQueues"
    assert clean(message) == message


def test_an_answer_of_sts_that_was_cut_in_its_secret_is_not_quoted() -> None:
    told = "Unable to parse response (no element found: line 1, column 90), invalid XML received. Further retries may "
    error = ResponseParserError(told + "succeed:\nb'<AssumeRoleResponse><SecretAccessKey>0Ng4rgQ'")
    assert classify(error).message == told.partition(" Further")[0]
