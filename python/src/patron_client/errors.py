"""Refusals of the server as exceptions.

Every error carries what the server told: the gRPC code, the reason of the contract
(``ErrorReason`` in ``proto/patron/v1/common.proto``), the fields at fault and, where one row of
several was at fault, its position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

_DETAILS_KEY = "grpc-status-details-bin"
_ROW = re.compile(r"(\[|\brow )(\d+)")  # customer_ids.ids[3]; features.values: row 3, ...


class Violation(NamedTuple):
    """A field at fault and what was expected of it."""

    field: str
    description: str


class PatronError(Exception):
    """A call, a row or a job failed.

    Attributes
    ----------
    code : grpc.StatusCode
        The status code; each has a subclass of its own, and so have the reasons ``OVERLOADED`` and
        ``RATE_LIMITED``.
    message : str
        One sentence for people.
    reason : str
        A stable key such as ``MODEL_NOT_FOUND``; empty where no Patron server answered.
    metadata : dict of str to str
        Further facts of the reason, and ``resource`` where one is missing.
    violations : list of Violation
        The fields at fault.
    row : int or None
        Position of the row at fault in what the caller handed over, from 0.
    retry_after : float or None
        Seconds after which the server suggests to try again.
    details : dict
        What this client knows beside: ``job_id`` of a failed job, ``report`` of an ingest that
        could not go on.
    """

    def __init__(
        self,
        message: str,
        *,
        code: grpc.StatusCode | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        violations: list[Violation] | None = None,
        row: int | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = _code_of(type(self)) if code is None else code
        self.message = message
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.violations = list(violations or [])
        self.row = row
        self.retry_after = retry_after
        self.details = dict(details or {})

    def __str__(self) -> str:
        key = self.reason or self.code.name
        return f"{self.message} ({key})"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions with named arguments do not cross processes by themselves.
        return _restored, (type(self), self.message, self.__dict__.copy())


class Cancelled(PatronError):
    """The call or the job was cancelled."""


class InvalidArgument(PatronError):
    """A field is missing, out of range or contradicts another."""


class DeadlineExceeded(PatronError):
    """The time ran out before there was an answer."""


class NotFound(PatronError):
    """No such model, version, alias, job, customer, series or file."""


class AlreadyExists(PatronError):
    """The request id was used with other arguments, or the output is there already."""


class PermissionDenied(PatronError):
    """The caller or the path is not allowed."""


class Unauthenticated(PatronError):
    """The key is missing or unknown."""


class ResourceExhausted(PatronError):
    """Too much work at once, more than the caller may send, or a message that is too large."""


class Overloaded(ResourceExhausted):
    """The server has too much work at once; `retry_after` tells when to come back."""


class RateLimited(ResourceExhausted):
    """More calls or rows in a second than this caller may send; `retry_after` tells when."""


class FailedPrecondition(PatronError):
    """It cannot be done in this state: no champion, too little data, gate not passed."""


class Aborted(PatronError):
    """The resource changed since it was read."""


class OutOfRange(PatronError):
    """Past the end of what there is."""


class Unimplemented(PatronError):
    """The server does not know the method: it is older than this client, or no Patron."""


class Internal(PatronError):
    """A defect of the server; its log tells more."""


class Unavailable(PatronError):
    """The server cannot be reached or is stopping."""


class DataLoss(PatronError):
    """Stored data fails its checksum."""


_CLASS_OF: dict[grpc.StatusCode, type[PatronError]] = {
    grpc.StatusCode.CANCELLED: Cancelled,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.OUT_OF_RANGE: OutOfRange,
    grpc.StatusCode.UNIMPLEMENTED: Unimplemented,
    grpc.StatusCode.INTERNAL: Internal,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.DATA_LOSS: DataLoss,
}
_CLASS_OF_REASON: dict[str, type[PatronError]] = {
    "OVERLOADED": Overloaded,
    "RATE_LIMITED": RateLimited,
}
_CODE_OF_NUMBER: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


def from_rpc(error: grpc.RpcError) -> PatronError:
    """The exception of a failed call."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY:
            status = status_pb2.Status()
            try:
                status.ParseFromString(value)
            except DecodeError:
                break
            if status.code == error.code().value[0]:
                return from_status(status)
    code = error.code()
    message = error.details() or code.name.lower().replace("_", " ")
    return _CLASS_OF.get(code, PatronError)(message, code=code)


def from_status(status: status_pb2.Status, *, offset: int = 0) -> PatronError:
    """The exception of a ``google.rpc.Status``.

    Parameters
    ----------
    status
        The status.
    offset
        Rows that went before the request it answers, where a caller's rows were sent in parts.
    """
    code = _CODE_OF_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)
    reason, metadata, violations, retry_after = "", {}, [], None
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        resource = error_details_pb2.ResourceInfo()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
            metadata.update(info.metadata)
        elif detail.Unpack(bad):
            violations = [Violation(one.field, one.description) for one in bad.field_violations]
        elif detail.Unpack(resource):
            metadata["resource"] = f"{resource.resource_type}/{resource.resource_name}"
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    message = status.message
    if offset > 0:
        # The server counts the rows of one message, the caller those of all.
        message = _shifted(message, offset)
        violations = [Violation(*(_shifted(text, offset) for text in one)) for one in violations]
    told = (_ROW.search(f"{one.field}: {one.description}") for one in violations)
    row = next((int(found[2]) for found in told if found), None)
    return _CLASS_OF_REASON.get(reason, _CLASS_OF.get(code, PatronError))(
        message,
        code=code,
        reason=reason,
        metadata=metadata,
        violations=violations,
        row=row,
        retry_after=retry_after,
    )


def _code_of(cls: type[PatronError]) -> grpc.StatusCode:
    return next(
        (code for code, own in _CLASS_OF.items() if issubclass(cls, own)), grpc.StatusCode.UNKNOWN
    )


def _shifted(text: str, offset: int) -> str:
    return _ROW.sub(lambda found: f"{found[1]}{int(found[2]) + offset}", text, count=1)


def _restored(cls: type[PatronError], message: str, state: dict[str, Any]) -> PatronError:
    error = cls(message)
    error.__dict__.update(state)
    return error
