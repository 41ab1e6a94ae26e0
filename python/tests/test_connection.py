"""Encryption, keys and repeated calls, against a server made for it."""

import concurrent.futures
import contextlib
import queue
import threading
import time
from typing import Any, NamedTuple

import grpc
import pandas as pd
import pytest
import trustme
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

import patron_client
from patron_client import Client, _connection
from patron_client._proto import model_service_pb2 as model_wire
from patron_client._proto import model_service_pb2_grpc as model_stubs
from patron_client._proto import transaction_service_pb2 as wire
from patron_client._proto import transaction_service_pb2_grpc as stubs


class Models(model_stubs.ModelServiceServicer):
    """Notes the metadata of its calls and fails as often as it was told to."""

    def __init__(self, failures=0, code=grpc.StatusCode.UNAVAILABLE):
        self.failures = failures
        self.code = code
        self.seen = []

    def ListModels(self, request, context):
        self.seen.append(dict(context.invocation_metadata()))
        if len(self.seen) <= self.failures:
            context.abort(self.code, "not now")
        return model_wire.ListModelsResponse()


class Transactions(stubs.TransactionServiceServicer):
    """Stores chunks but breaks the streams, before or after the acknowledgement."""

    def __init__(self, breaks):
        self.breaks = breaks  # per stream: after how many chunks it breaks
        self.streams = []
        self.stored = []

    def IngestTransactions(self, requests, context):
        stream = []
        self.streams.append(stream)
        after = (
            self.breaks[len(self.streams) - 1] if len(self.streams) <= len(self.breaks) else None
        )
        for request in requests:
            stream.append(request.chunk_id)
            self.stored.append(request)
            if len(stream) == after:
                context.abort(grpc.StatusCode.UNAVAILABLE, "gone before the acknowledgement")
            yield acknowledged(request)


def acknowledged(request):
    return wire.IngestTransactionsResponse(chunk_id=request.chunk_id, accepted=len(request.lines))


def serve(servicer, add, credentials=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    add(servicer, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return server, port


@pytest.fixture
def running():
    servers = []

    def start(servicer, add, credentials=None):
        server, port = serve(servicer, add, credentials)
        servers.append(server)
        return port

    yield start
    for server in servers:
        server.stop(None).wait()


def start_models(running, servicer, credentials=None):
    return running(servicer, model_stubs.add_ModelServiceServicer_to_server, credentials)


def test_the_key_goes_with_every_call(running):
    servicer = Models()
    with Client(f"127.0.0.1:{start_models(running, servicer)}", api_key="k-1") as client:
        assert client.models().empty
    assert servicer.seen[0]["authorization"] == "Bearer k-1"
    assert servicer.seen[0]["user-agent"].startswith("patron-client/")


def test_both_sides_show_their_certificates(running, tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    own = authority.issue_cert("localhost")
    credentials = grpc.ssl_server_credentials(
        [(own.private_key_pem.bytes(), own.cert_chain_pems[0].bytes())],
        root_certificates=authority.cert_pem.bytes(),
        require_client_auth=True,
    )
    servicer = Models()
    target = f"https://localhost:{start_models(running, servicer, credentials)}"
    root = tmp_path / "root.pem"
    root.write_bytes(authority.cert_pem.bytes())
    caller = authority.issue_cert("caller@example.org")
    shown = {
        "client_certificate": caller.cert_chain_pems[0].bytes(),
        "client_key": caller.private_key_pem.bytes(),
    }
    with Client(target, root_certificates=root, api_key="k-2", **shown) as client:
        client.models()
    assert servicer.seen[0]["authorization"] == "Bearer k-2"
    for settings in (
        {"root_certificates": stranger.cert_pem.bytes(), **shown},
        {"root_certificates": root},
    ):
        with Client(target, max_attempts=1, **settings) as client:
            with pytest.raises(patron_client.Unavailable):
                client.models()
    assert len(servicer.seen) == 1


def test_only_loopback_goes_without_encryption_by_itself(running):
    servicer = Models()
    port = start_models(running, servicer)
    for target in (f"127.0.0.1:{port}", f"localhost:{port}", f"http://127.0.0.1:{port}"):
        with Client(target) as client:
            client.models()
    with Client(f"127.0.0.1:{port}", insecure=False, max_attempts=1) as client:
        with pytest.raises(patron_client.Unavailable):
            client.models()
    assert len(servicer.seen) == 3
    with pytest.raises(ValueError, match="contradict"):
        Client("https://shop.example:443", insecure=True)
    with pytest.raises(ValueError, match="go together"):
        Client(client_key=b"x")
    with pytest.raises(ValueError, match="ftp"):
        Client("ftp://shop.example")


def test_calls_are_repeated_while_the_server_is_unavailable(running):
    servicer = Models(failures=2)
    with Client(f"127.0.0.1:{start_models(running, servicer)}", max_attempts=3) as client:
        assert client.models().empty
    assert len(servicer.seen) == 3


def test_calls_are_not_repeated_for_ever_nor_for_other_reasons(running):
    servicer = Models(failures=9)
    with Client(f"127.0.0.1:{start_models(running, servicer)}", max_attempts=2) as client:
        with pytest.raises(patron_client.Unavailable, match="not now"):
            client.models()
    assert len(servicer.seen) == 2
    servicer = Models(failures=9, code=grpc.StatusCode.INTERNAL)
    with Client(f"127.0.0.1:{start_models(running, servicer)}") as client:
        with pytest.raises(patron_client.Internal):
            client.models()
    assert len(servicer.seen) == 1


class Status(NamedTuple):
    """A status with details."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: Any


grpc.Status.register(Status)


def later(seconds):
    """The status of a server that is overloaded."""
    told = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="busy")
    told.details.add().Pack(error_details_pb2.ErrorInfo(reason="OVERLOADED", domain="patron"))
    delay = Duration(nanos=int(seconds * 1_000_000_000))
    told.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    details = (("grpc-status-details-bin", told.SerializeToString()),)
    return Status(grpc.StatusCode.RESOURCE_EXHAUSTED, told.message, details)


class Busy(Models):
    """Says when to come back, as often as it was told to."""

    def ListModels(self, request, context):
        self.seen.append(time.monotonic())
        if len(self.seen) <= self.failures:
            context.abort_with_status(later(0.4))
        return model_wire.ListModelsResponse()


def test_a_call_waits_as_long_as_the_server_says(running):
    servicer = Busy(failures=1)
    with Client(f"127.0.0.1:{start_models(running, servicer)}") as client:
        assert client.models().empty
    first, second = servicer.seen
    assert second - first >= 0.4


def test_a_call_does_not_wait_beyond_its_time(running):
    servicer = Busy(failures=9)
    with Client(f"127.0.0.1:{start_models(running, servicer)}", timeout=0.3) as client:
        with pytest.raises(patron_client.Overloaded) as caught:
            client.models()
    assert caught.value.retry_after == 0.4
    assert len(servicer.seen) == 1


def test_a_call_without_an_answer_ends(running):
    class Silent(Models):
        def ListModels(self, request, context):
            time.sleep(1)
            return model_wire.ListModelsResponse()

    with Client(f"127.0.0.1:{start_models(running, Silent())}", timeout=0.2) as client:
        with pytest.raises(patron_client.DeadlineExceeded, match=r"no answer .* within 0\.2 s"):
            client.models()


def test_patience_ends_by_the_clock_and_begins_anew_with_progress():
    gone = patron_client.Unavailable("gone")
    patience = _connection.Patience(0.3)
    patience.rest(gone)
    time.sleep(0.3)
    with pytest.raises(patron_client.Unavailable):
        patience.rest(gone)
    patience.renew()
    patience.rest(gone)
    with pytest.raises(patron_client.NotFound):
        patience.rest(patron_client.NotFound("never"))


def test_a_key_may_come_from_a_file(running):
    servicer = Models()
    with Client(f"127.0.0.1:{start_models(running, servicer)}", api_key="k-1\n") as client:
        client.models()
    assert servicer.seen[0]["authorization"] == "Bearer k-1"
    for key in ("", "a\nb", "schlüssel"):
        with pytest.raises(ValueError, match="api_key: expected printable ASCII"):
            Client(api_key=key)


@pytest.mark.parametrize("target", ["", "127.0.0.1", "http://shop.example", "https://", "a:b"])
def test_a_target_needs_a_port(target):
    with pytest.raises(ValueError, match="target: expected HOST:PORT"):
        Client(target)


def lines(rows):
    return pd.DataFrame(
        {
            "order_id": [f"o{row // 3}" for row in range(rows)],
            "line_number": [row % 3 for row in range(rows)],
            "occurred_at": pd.Timestamp("2011-06-01", tz="UTC"),
            "product_id": "x",
            "quantity": 1,
            "unit_price": 1,
        }
    )


def start_transactions(running, servicer):
    return running(servicer, stubs.add_TransactionServiceServicer_to_server)


def test_a_broken_ingest_goes_on_with_the_first_chunk_without_an_answer(running):
    servicer = Transactions(breaks=[3, 1, 2])
    with Client(f"127.0.0.1:{start_transactions(running, servicer)}") as client:
        report = client.ingest(lines(100), chunk_size=10, progress=False)
    names = [[int(chunk.rpartition("-")[2]) for chunk in stream] for stream in servicer.streams]
    # Two were acknowledged, then none, then one: each stream begins where the answers ended.
    assert names == [[0, 10, 20], [20], [20, 30], [30, 40, 50, 60, 70, 80, 90]]
    prefixes = {chunk.rpartition("-")[0] for stream in servicer.streams for chunk in stream}
    assert len(prefixes) == 1, "a chunk keeps its id"
    assert (report.rows, report.accepted, report.chunks) == (100, 100, 10)
    assert report.resent_chunks >= 2


def test_equal_lines_are_counted_from_the_first_over_a_new_stream(running):
    frame = lines(30).drop(columns="line_number").assign(order_id="o")  # all equal
    servicer = Transactions(breaks=[2])
    with Client(f"127.0.0.1:{start_transactions(running, servicer)}") as client:
        report = client.ingest(frame, chunk_size=10, progress=False)
    names = [[int(chunk.rpartition("-")[2]) for chunk in stream] for stream in servicer.streams]
    # The server tells them by their count in the stream, so the second stream has all of them.
    assert names == [[0, 10], [0, 10, 20]]
    assert report.accepted == 30


def test_an_ingest_that_cannot_go_on_tells_what_was_stored(running):
    class Full(stubs.TransactionServiceServicer):
        def IngestTransactions(self, requests, context):
            for count, request in enumerate(requests, start=1):
                yield acknowledged(request)
                if count == 2:
                    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "read-only")

    with Client(f"127.0.0.1:{start_transactions(running, Full())}") as client:
        with pytest.raises(patron_client.FailedPrecondition) as caught:
            client.ingest(lines(100), chunk_size=10, progress=False)
    report = caught.value.details["report"]
    assert (report.rows, report.accepted) == (20, 20)


def test_four_chunks_are_on_their_way_at_a_time(running):
    ahead = []

    class Slow(stubs.TransactionServiceServicer):
        def IngestTransactions(self, requests, context):
            arrived = queue.Queue()
            reader = threading.Thread(
                target=lambda: [arrived.put(one) for one in requests], daemon=True
            )
            reader.start()
            waiting = [arrived.get(timeout=10) for _ in range(4)]
            with contextlib.suppress(queue.Empty):  # a fifth one has to wait for an answer
                waiting.append(arrived.get(timeout=0.3))
            ahead.append(len(waiting))
            for _ in range(10 - len(waiting)):
                yield acknowledged(waiting.pop(0))
                waiting.append(arrived.get(timeout=10))
            yield from map(acknowledged, waiting)

    with Client(f"127.0.0.1:{start_transactions(running, Slow())}") as client:
        report = client.ingest(lines(100), chunk_size=10, progress=False)
    assert report.accepted == 100
    assert ahead == [4]
