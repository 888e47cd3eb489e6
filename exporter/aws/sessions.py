"""Sessions and clients, shared by all who have the same credentials.

Everything here blocks (a first client takes 0.16 s, a metadata service more): `open` belongs in a thread; `ready` and
`renew` answer at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from botocore.client import BaseClient
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.loaders import Loader, create_loader
from botocore.session import Session

from exporter import __version__
from exporter.aws.bodies import read_bodies
from exporter.aws.bounds import bound_answers
from exporter.aws.errors import Failure, classify
from exporter.model import Access, CallFailed, Reason

USER_AGENT = f"amazon-connect-exporter/{__version__}"

# With less than this left botocore lets every caller wait for new credentials: we get them beforehand, in one thread.
_MUST_REFRESH = 10 * 60


@dataclass(frozen=True, slots=True)
class Identity:
    """As whom AWS's chain of credentials acts: the key of a session."""

    profile: str | None
    role_arn: str | None
    external_id: str | None = field(repr=False)
    session_name: str


@dataclass(slots=True)
class _Opened:
    """A session, with what it knows; `lock` is held while credentials are fetched and clients made."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    renewed: float = float("-inf")
    """When the chain was last asked again because AWS called its credentials stale."""
    session: Session | None = None
    credentials: Credentials | None = None
    clients: dict[tuple[Access, str], BaseClient] = field(default_factory=dict)
    failed: CallFailed | None = None
    failed_at: float = 0.0

    def forget(self) -> None:
        """Lets go of the session. Calls that still run on one of its clients are not disturbed."""
        clients, self.clients, self.session = self.clients, {}, None
        for client in clients.values():
            client.close()


class Sessions:
    """One session for each identity, one client for each access and service; made at first use."""

    def __init__(
        self,
        *,
        max_pool_connections: int = 64,
        monotonic: Callable[[], float] = time.monotonic,
        renew_after: float = 15.0,
        fail_for: float = 5.0,
    ) -> None:
        """`renew_after`: seconds between two renewals of one identity's credentials. `fail_for`: seconds for which a
        chain that gave no credentials, or hung, is not asked again; those in line behind the first get its answer.
        """
        self._max_pool_connections = max_pool_connections
        self._monotonic = monotonic
        self._renew_after = renew_after
        self._fail_for = fail_for
        self._lock = threading.Lock()
        self._opened: dict[Identity, _Opened] = {}
        self._loader: Loader | None = None

    def ready(self, access: Access, service: str = "connect") -> BaseClient | None:
        """The client, if it exists and its credentials need no immediate refresh. Never blocks."""
        opened = self._opened.get(identity_of(access))
        if opened is None:
            return None
        client = opened.clients.get((access, service))
        return None if client is None or _must_refresh(opened.credentials) else client

    def open(self, access: Access, service: str = "connect") -> BaseClient:
        """The client, with credentials that are good for a while. Blocks.

        CallFailed, without an operation: no credentials, or a bad region or endpoint.
        """
        opened = self._opened_for(identity_of(access))
        with opened.lock:
            if opened.failed is not None and self._monotonic() - opened.failed_at < self._fail_for:
                raise opened.failed.with_traceback(None)
            try:
                session = self._with_credentials(opened, access)
            except CallFailed as failure:
                # What a moment may mend is left to the caller's retries.
                if failure.reason in (Reason.CREDENTIALS, Reason.TIMEOUT):
                    opened.failed, opened.failed_at = failure, self._monotonic()
                    opened.forget()  # a session remembers the files it read
                raise
            opened.failed = None
            client = opened.clients.get((access, service))
            if client is None:
                client = opened.clients[access, service] = self._client(session, access, service)
            return client

    def renew(self, access: Access, client: BaseClient) -> bool:
        """AWS called this client's credentials stale: forget them. True: a new attempt may fare better."""
        identity = identity_of(access)
        with self._lock:
            opened = self._opened.get(identity)
            if opened is None or client not in tuple(opened.clients.values()):
                return True  # somebody else was faster
            if self._monotonic() - opened.renewed < self._renew_after:
                return False
            self._opened[identity] = _Opened(renewed=self._monotonic())
        opened.forget()
        return True

    def retain(self, accesses: Collection[Access]) -> None:
        """Closes what none of these needs; calls that still run are not disturbed. Never blocks: what is just being
        opened is closed the next time.
        """
        wanted = {identity_of(access) for access in accesses}
        with self._lock:
            gone = [self._opened.pop(identity) for identity in self._opened.keys() - wanted]
            kept = list(self._opened.values())
        for opened in gone:
            opened.forget()
        for opened in kept:
            for key in [key for key in list(opened.clients) if key[0] not in accesses]:
                opened.clients.pop(key).close()

    def close(self) -> None:
        """Closes idle connections; those of running calls close when these are done."""
        with self._lock:
            opened, self._opened = self._opened, {}
        for each in opened.values():
            each.forget()

    def _opened_for(self, identity: Identity) -> _Opened:
        with self._lock:
            opened = self._opened.get(identity)
            if opened is None:
                opened = self._opened[identity] = _Opened()
            return opened

    def _with_credentials(self, opened: _Opened, access: Access) -> Session:
        try:
            if opened.session is None:
                opened.session = self._session(access)
            opened.credentials = _credentials(opened.session)
            opened.credentials.get_frozen_credentials()
        except Exception as error:  # noqa: BLE001 (a chain may run other people's programs and read their files)
            raise _failed(_secretive(classify(error), access), Reason.CREDENTIALS) from None
        return opened.session

    def _session(self, access: Access) -> Session:
        """A session whose chain is boto3's own, or ends in the role that it may assume."""
        own = self._plain_session(access)
        if access.role_arn is None:
            return own
        role = self._plain_session(access)
        role.register_component("credential_provider", CredentialResolver(providers=[_Role(own, access)]))
        return role

    def _plain_session(self, access: Access) -> Session:
        session = Session(profile=access.profile)
        # AWS's service models are most of a session's 22 MB, and all read the same.
        with self._lock:
            if self._loader is None:
                self._loader = create_loader(session.get_config_variable("data_path"))
        session.register_component("data_loader", self._loader)
        # Also for the calls to STS and SSO that the chain makes on its way: by default they wait a minute, five times.
        session.set_default_client_config(self._config(access))
        return session

    def _client(self, session: Session, access: Access, service: str) -> BaseClient:
        endpoint_url = access.endpoint_url if service == "connect" else None
        try:
            client = session.create_client(
                service, region_name=access.region, endpoint_url=endpoint_url, config=self._config(access)
            )
        except (BotoCoreError, ValueError) as error:
            raise _failed(classify(error), Reason.INVALID_REQUEST) from None
        bound_answers(client, patience(access))
        read_bodies(client)
        return client

    def _config(self, access: Access) -> Config:
        return Config(
            connect_timeout=access.connect_timeout,
            read_timeout=access.read_timeout,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._max_pool_connections,
            tcp_keepalive=True,
            user_agent_extra=USER_AGENT,
        )


class _Role(CredentialProvider):
    """Credentials of a role, fetched at first use and again before they end."""

    METHOD = "assume-role"

    def __init__(self, session: Session, access: Access) -> None:
        super().__init__(session)
        self._access = access

    def load(self) -> Credentials:
        return DeferredRefreshableCredentials(self._assume, self.METHOD)

    def _assume(self) -> dict[str, str]:
        """In the form that botocore's refreshable credentials want."""
        params = {"RoleArn": self._access.role_arn, "RoleSessionName": self._access.session_name}
        if self._access.external_id is not None:
            params["ExternalId"] = self._access.external_id
        # The instance's region: there may be no other, and STS has an endpoint in each.
        client: Any = self.session.create_client("sts", region_name=self._access.region)
        bound_answers(client, patience(self._access))
        try:
            credentials = client.assume_role(**params)["Credentials"]
        finally:
            client.close()
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }


def patience(access: Access) -> float:
    """Seconds after which an attempt is given up. Its thread has its own timeouts, but they begin anew with each
    address tried and each byte received, and a name lookup has none.
    """
    return 2 * (access.connect_timeout + access.read_timeout)


def identity_of(access: Access) -> Identity:
    return Identity(access.profile, access.role_arn, access.external_id, access.session_name)


def _credentials(session: Session) -> Credentials:
    credentials: Credentials | None = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _must_refresh(credentials: Credentials | None) -> bool:
    return isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed(_MUST_REFRESH)


def _secretive(failure: Failure, access: Access) -> Failure:
    """STS's own words may repeat the external id."""
    if access.external_id is None:
        return failure
    return failure._replace(message=failure.message.replace(access.external_id, "…"))


def _failed(failure: Failure, otherwise: Reason) -> CallFailed:
    """`otherwise` where the reason would speak of an answer that nobody was asked for."""
    vague = failure.reason in (Reason.BAD_RESPONSE, Reason.INTERNAL, Reason.INVALID_REQUEST, Reason.ACCESS_DENIED)
    return CallFailed("", otherwise if vague else failure.reason, failure.code, failure.message)
