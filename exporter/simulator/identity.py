"""Who calls: read from a request's signature, which is not verified, because nobody here has a secret to do so."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.simulator.errors import Refused

_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256\s+.*?Credential=([^/,\s]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request\b", re.DOTALL
)
_SIGNED = re.compile(r"SignedHeaders=[^,\s]+.*Signature=[0-9a-f]{64}", re.DOTALL)
_ROLE = re.compile(r"arn:(aws[a-z-]*):iam::(\d{12}):role/(?:[^/]+/)*([\w+=,.@-]{1,64})")
_OURS = "simulated."
# Marks a session token as made here and unchanged; it guards nothing.
_SEAL = b"amazon-connect-simulator"


@dataclass(frozen=True, slots=True)
class Caller:
    account_id: str
    region: str
    arn: str
    user_id: str


def partition(region: str) -> str:
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws-cn" if region.startswith("cn-") else "aws"


def access_key_id(account_id: str, prefix: str = "AKIA", salt: str = "") -> str:
    """An access key id that carries its account as AWS's do: in the first 6 of its 10 bytes, shifted left by 7 bits."""
    number = (int(account_id) << 7).to_bytes(6, "big")
    return prefix + base64.b32encode(number + hashlib.sha256(salt.encode()).digest()[:4]).decode()


def _account_in(key_id: str) -> str | None:
    if not re.fullmatch(r"A[KS]IA[A-Z2-7]{16}", key_id):
        return None
    number = int.from_bytes(base64.b32decode(key_id[4:])[:6], "big")
    return f"{(number & 0x7FFF_FFFF_FF80) >> 7:012d}"


class Identities:
    """`accounts` gives those the world has; the first is that of every key which names none of them.

    `wall` gives unix seconds by the clock of the caller's machine: credentials live by it, not by the world's.
    """

    def __init__(self, accounts: Callable[[], Sequence[str]], wall: Callable[[], float]) -> None:
        self._accounts = accounts
        self._wall = wall

    def caller(self, headers: Mapping[str, str], service: str) -> Caller:
        """Headers by lower-case name. Refused as AWS refuses: 403 in every case."""
        authorization = headers.get("authorization")
        if authorization is None:
            raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        match = _CREDENTIAL.match(authorization)
        if match is None or not _SIGNED.search(authorization) or "x-amz-date" not in headers:
            raise Refused(
                "IncompleteSignatureException",
                "Authorization header requires Credential, SignedHeaders, Signature and X-Amz-Date.",
                403,
            )
        key_id, _, region, scope = match.groups()
        if scope != service:
            raise Refused(
                "InvalidSignatureException", f"Credential should be scoped to correct service: '{service}'.", 403
            )
        token = headers.get("x-amz-security-token", "")
        if token.startswith(_OURS):
            return self._of_session(token, region)
        if key_id.startswith("ASIA") and not token:
            raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
        return self._of_user(key_id, region)

    def _of_user(self, key_id: str, region: str) -> Caller:
        accounts, named = self._accounts(), _account_in(key_id)
        account_id = named if named in accounts else next(iter(accounts), None)
        if account_id is None:
            account_id = "000000000000"
        return Caller(
            account_id, region, f"arn:{partition(region)}:iam::{account_id}:user/simulated", "AIDASIMULATEDUSER0000"
        )

    def _of_session(self, token: str, region: str) -> Caller:
        session = _opened(token)
        if session is None:
            raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.", 403)
        if session["expires"] <= self._wall():
            raise Refused("ExpiredTokenException", "The security token included in the request is expired", 403)
        return Caller(session["account"], region, session["arn"], session["user"])

    def assume(self, role_arn: str, session_name: str, seconds: int) -> dict[str, Any]:
        """STS's answer: temporary credentials of the role's account."""
        match = _ROLE.fullmatch(role_arn)
        if match is None:
            raise Refused("ValidationError", f"{role_arn} is invalid", 400)
        aws, account_id, role = match.groups()
        expires = float(int(self._wall()) + seconds)
        salt = f"{role_arn} {session_name} {expires}"
        user_id = f"AROA{hashlib.sha256(role_arn.encode()).hexdigest()[:17].upper()}:{session_name}"
        arn = f"arn:{aws}:sts::{account_id}:assumed-role/{role}/{session_name}"
        return {
            "Credentials": {
                "AccessKeyId": access_key_id(account_id, "ASIA", salt),
                "SecretAccessKey": base64.b64encode(hashlib.sha256(salt.encode()).digest()[:30]).decode(),
                "SessionToken": _sealed({"account": account_id, "arn": arn, "user": user_id, "expires": expires}),
                "Expiration": expires,
            },
            "AssumedRoleUser": {"AssumedRoleId": user_id, "Arn": arn},
        }


def _mac(text: str) -> str:
    return hmac.new(_SEAL, text.encode(), hashlib.sha256).hexdigest()


def _sealed(session: dict[str, Any]) -> str:
    text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode()
    return f"{_OURS}{text}.{_mac(text)}"


def _opened(token: str) -> dict[str, Any] | None:
    text, _, seal = token.removeprefix(_OURS).partition(".")
    if not hmac.compare_digest(seal.encode(), _mac(text).encode()):
        return None
    session: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text))
    return session
