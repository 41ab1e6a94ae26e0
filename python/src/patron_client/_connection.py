"""The channel, and calls that are tried again where this is safe."""

from __future__ import annotations

import ipaddress
import pathlib
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

import grpc

from ._proto import (
    feature_service_pb2_grpc,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
    scoring_service_pb2_grpc,
    server_service_pb2_grpc,
    training_service_pb2_grpc,
    transaction_service_pb2_grpc,
)
from ._version import __version__
from .errors import DeadlineExceeded, PatronError, ResourceExhausted, Unavailable, from_rpc

if TYPE_CHECKING:
    from typing_extensions import Self

_FIRST_PAUSE = 0.1  # seconds before the second attempt; doubles with each further one
_LONGEST_PAUSE = 5.0  # seconds
_LARGEST_MESSAGE = 64 * 1024 * 1024  # bytes; the most that a server can be configured to send

Pem = bytes | str | pathlib.Path
T = TypeVar("T")


class Connection:
    """A channel to one server, its seven services, and how calls are made on it."""

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        api_key: str | None = None,
        root_certificates: Pem | None = None,
        client_certificate: Pem | None = None,
        client_key: Pem | None = None,
        insecure: bool | None = None,
        timeout: float = 60.0,
        max_attempts: int = 5,
        retry_for: float = 60.0,
    ) -> None:
        if max_attempts < 1:
            raise ValueError(f"max_attempts: expected 1 or more, found {max_attempts}")
        if timeout <= 0:
            raise ValueError(f"timeout: expected seconds above 0, found {timeout}")
        if (client_certificate is None) != (client_key is None):
            raise ValueError("client_certificate and client_key go together")
        scheme, address = _split(target)
        certificates = (root_certificates, client_certificate, client_key)
        if insecure is None:
            has_none = all(one is None for one in certificates)
            insecure = scheme == "http" or (scheme is None and has_none and _is_loopback(address))
        if insecure and (scheme == "https" or any(one is not None for one in certificates)):
            raise ValueError("certificates and https:// contradict an insecure connection")
        self.target = address
        self.timeout = timeout
        self.max_attempts = max_attempts
        self.retry_for = retry_for
        self._metadata = [] if api_key is None else [("authorization", f"Bearer {_key(api_key)}")]
        options = [
            ("grpc.max_receive_message_length", _LARGEST_MESSAGE),
            ("grpc.max_send_message_length", _LARGEST_MESSAGE),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 2_000),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.primary_user_agent", f"patron-client/{__version__}"),
        ]
        if insecure:
            self._channel = grpc.insecure_channel(address, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(
                root_certificates=_pem(root_certificates),
                private_key=_pem(client_key),
                certificate_chain=_pem(client_certificate),
            )
            self._channel = grpc.secure_channel(address, credentials, options=options)
        self.transactions: Any = transaction_service_pb2_grpc.TransactionServiceStub(self._channel)
        self.feature_service: Any = feature_service_pb2_grpc.FeatureServiceStub(self._channel)
        self.training: Any = training_service_pb2_grpc.TrainingServiceStub(self._channel)
        self.registry: Any = model_service_pb2_grpc.ModelServiceStub(self._channel)
        self.predictions: Any = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self.scoring: Any = scoring_service_pb2_grpc.ScoringServiceStub(self._channel)
        self.server: Any = server_service_pb2_grpc.ServerServiceStub(self._channel)

    def close(self) -> None:
        """Closes the channel; calls in flight are cancelled."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def call(self, method: Callable[..., T], request: Any, *, timeout: float | None = None) -> T:
        """Makes one call; again with growing pauses while the server is unavailable.

        Only for calls that are safe to repeat: those without side effects and those that carry a
        request id. Where the server says after which delay to try again, that is done too. The
        time is that of all attempts and pauses together.
        """
        seconds = self.timeout if timeout is None else timeout
        patience = Patience(seconds, self.max_attempts)
        while True:
            try:
                return method(request, metadata=self._metadata, timeout=patience.left)
            except grpc.RpcError as rpc_error:
                error = from_rpc(rpc_error)
                if isinstance(error, DeadlineExceeded) and not error.reason:
                    # gRPC ended the call here; its own message says no more than the code.
                    error.message = f"no answer from {self.target} within {seconds:g} s"
                patience.rest(error)

    def open_stream(
        self, method: Callable[..., Any], requests: Any, *, timeout: float | None = None
    ) -> Any:
        """Opens a stream; the caller handles its errors."""
        return method(requests, metadata=self._metadata, timeout=timeout)

    def pages(
        self, method: Callable[..., Any], request: Any, field: str, *, limit: int | None = None
    ) -> Iterator[Any]:
        """The entries of a list, page after page."""
        left = limit
        while left is None or left > 0:
            request.page_size = 1_000 if left is None else min(left, 1_000)
            page = self.call(method, request)
            entries: Iterable[Any] = getattr(page, field)
            for entry in entries:
                yield entry
                left = None if left is None else left - 1
            request.page_token = page.next_page_token
            if not request.page_token:
                return


class Patience:
    """How long, and how often, something is tried while it fails for reasons that may pass.

    Parameters
    ----------
    seconds
        Time without progress after which the next failure counts.
    attempts
        Number of failures without progress that counts; by default none does.
    """

    def __init__(self, seconds: float, attempts: int | None = None) -> None:
        self._seconds = seconds
        self._attempts = attempts
        self.renew()

    def renew(self) -> None:
        """There was progress: time and number begin anew."""
        self._failures = 0
        self._end = time.monotonic() + self._seconds

    @property
    def left(self) -> float:
        """Seconds until it ends."""
        return max(0.0, self._end - time.monotonic())

    def rest(self, error: PatronError) -> None:
        """Pauses before the next attempt; raises the error where there is to be none."""
        self._failures += 1
        seconds = _pause(self._failures, error)
        if not _is_transient(error) or self._failures == self._attempts or seconds > self.left:
            raise error from None
        time.sleep(seconds)


def _is_transient(error: PatronError) -> bool:
    if isinstance(error, Unavailable):
        return True
    return isinstance(error, ResourceExhausted) and error.retry_after is not None


def _pause(failures: int, error: PatronError) -> float:
    # The exponent is bounded, as it grows for as long as a server is away.
    growing = min(_FIRST_PAUSE * 2 ** min(failures - 1, 16), _LONGEST_PAUSE)
    # Not all clients of a server that went away shall come back at the same moment.
    jittered = growing * (0.75 + 0.5 * random.random())
    return float(max(jittered, error.retry_after or 0.0))


def new_request_id() -> str:
    """An id that makes a call safe to repeat."""
    return str(uuid.uuid4())


def is_local(target: str) -> bool:
    """Whether the server runs on this machine, as far as its address tells."""
    return _is_loopback(target)


def _split(target: str) -> tuple[str | None, str]:
    scheme, separator, address = target.partition("://")
    if not separator:
        scheme, address = "", target
    address = address.rstrip("/")
    has_port = address.startswith("unix:") or address.rpartition(":")[2].isdecimal()
    # Without a port gRPC goes to that of HTTPS.
    if scheme not in ("", "http", "https") or not (has_port or (scheme == "https" and address)):
        expected = "HOST:PORT, http://HOST:PORT or https://HOST"
        raise ValueError(f"target: expected {expected}, found {target!r}")
    return scheme or None, address


def _is_loopback(address: str) -> bool:
    if address.startswith("unix:"):
        return True
    host = address.rsplit(":", 1)[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _key(api_key: str) -> str:
    """A key as it can stand in a header; one that was read from a file ends in a line break."""
    key = api_key.strip()
    if not (key and key.isascii() and key.isprintable()):
        raise ValueError("api_key: expected printable ASCII without line breaks")
    return key


def _pem(value: Pem | None) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return pathlib.Path(value).read_bytes()
