"""What the server is and what it takes."""

from __future__ import annotations

import dataclasses
from typing import Any

from ._connection import Connection
from ._proto import server_service_pb2 as wire


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the server takes; beyond it a call is refused.

    Attributes
    ----------
    max_message_bytes : int
        Largest message in and out.
    max_rows : int
        Rows of a call and of an item of a stream.
    max_page_size : int
        Entries on a page of a list.
    max_streams_per_connection : int
        Calls of a connection at a time; more wait.
    max_header_bytes : int
        Bytes of the metadata of a call.
    max_call_seconds : int
        Seconds that a call without side effects may take.
    max_inflight_calls, max_inflight_rows : int
        Predict calls, and their rows, at work at a time, over all callers.
    """

    max_message_bytes: int
    max_rows: int
    max_page_size: int
    max_streams_per_connection: int
    max_header_bytes: int
    max_call_seconds: int
    max_inflight_calls: int
    max_inflight_rows: int


@dataclasses.dataclass(frozen=True)
class ServerInfo:
    """What the server is.

    Attributes
    ----------
    version : str
        Version of the program.
    time_zone : str
        IANA time zone of the shop's calendar.
    currency : str
        ISO 4217 code of the reporting currency.
    as_of_rule : str
        The date of calls that name none: ``now``, or ``latest``, the end of the last complete day
        in the data.
    limits : Limits
        What the server takes.
    extensions : tuple of str
        What it has beyond the methods themselves.
    service_config : str
        JSON for clients that use gRPC without this package: which methods may be sent again, when
        and how often. It is what they give as the channel option ``grpc.service_config``.
    """

    version: str
    time_zone: str
    currency: str
    as_of_rule: str
    limits: Limits
    extensions: tuple[str, ...]
    service_config: str = dataclasses.field(repr=False)


def info(connection: Connection) -> ServerInfo:
    """See `Client.info`."""
    request = wire.GetServerInfoRequest()
    raw: Any = connection.call(connection.server.GetServerInfo, request)
    names = [field.name for field in dataclasses.fields(Limits)]
    return ServerInfo(
        version=raw.version,
        time_zone=raw.time_zone,
        currency=raw.currency,
        as_of_rule=wire.AsOfRule.Name(raw.as_of_rule).removeprefix("AS_OF_RULE_").lower(),
        limits=Limits(**{name: getattr(raw.limits, name) for name in names}),
        extensions=tuple(raw.extensions),
        service_config=raw.service_config_json,
    )
