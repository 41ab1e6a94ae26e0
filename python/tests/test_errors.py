"""Statuses become exceptions that keep field and row."""

import pickle

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

import patron_client
from patron_client import PatronError, Unavailable, Violation, errors


def status(code, message, *details):
    made = status_pb2.Status(code=code, message=message)
    for detail in details:
        made.details.add().Pack(detail)
    return made


def refusal():
    violation = error_details_pb2.BadRequest.FieldViolation(
        field="histories.customers[3].lines[7].quantity", description="expected other than 0"
    )
    return status(
        code_pb2.INVALID_ARGUMENT,
        "histories.customers[3].lines[7].quantity: expected other than 0",
        error_details_pb2.ErrorInfo(reason="INVALID_LINE", domain="patron", metadata={"a": "b"}),
        error_details_pb2.BadRequest(field_violations=[violation]),
    )


def test_field_and_row_are_kept():
    error = errors.from_status(refusal())
    assert type(error) is patron_client.InvalidArgument
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_LINE"
    assert error.metadata == {"a": "b"}
    assert error.violations == [
        Violation("histories.customers[3].lines[7].quantity", "expected other than 0")
    ]
    assert error.row == 3
    assert str(error).endswith("(INVALID_LINE)")


def test_rows_are_those_of_the_caller_where_she_sent_many():
    error = errors.from_status(refusal(), offset=5_000)
    assert error.row == 5_003
    assert error.violations[0].field == "histories.customers[5003].lines[7].quantity"
    assert error.message.startswith("histories.customers[5003].lines[7]")


def test_errors_cross_processes():
    error = errors.from_status(refusal())
    error.details["job_id"] = "j"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert copy.__dict__ == error.__dict__
    assert str(copy) == str(error)


def test_the_servers_delay_is_told():
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    error = errors.from_status(status(code_pb2.RESOURCE_EXHAUSTED, "busy", retry))
    assert type(error) is patron_client.ResourceExhausted
    assert error.retry_after == 1.5


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("OVERLOADED", patron_client.Overloaded), ("RATE_LIMITED", patron_client.RateLimited)],
)
def test_what_may_succeed_later_has_a_class_of_its_own(reason, kind):
    info = error_details_pb2.ErrorInfo(reason=reason, domain="patron")
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(nanos=200_000_000))
    error = errors.from_status(status(code_pb2.RESOURCE_EXHAUSTED, "busy", info, retry))
    assert type(error) is kind
    assert isinstance(error, patron_client.ResourceExhausted)
    assert (error.retry_after, error.code) == (0.2, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert kind("busy").code is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("code", list(grpc.StatusCode), ids=lambda code: code.name)
def test_every_code_has_its_class(code):
    if code is grpc.StatusCode.OK:
        return
    error = errors.from_status(status(code.value[0], "x"))
    assert error.code is code
    own = code is not grpc.StatusCode.UNKNOWN
    assert (type(error) is not PatronError) == own


def test_a_class_knows_its_code():
    assert Unavailable("gone").code is grpc.StatusCode.UNAVAILABLE
