"""Deadlines, aged connections and abandoned calls as grpcio, a client of another family, sees them.

    pip install -r tests/python/requirements.txt ./python
    python tests/python/edge_check.py --binary target/debug/patron --directory patron-demo

The directory is that of `patron demo`, which must have ended. Prints one line per check; exits with 1
at the first that fails.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import grpc
from patron_client._proto import prediction_service_pb2, prediction_service_pb2_grpc
from restart_check import CUSTOMERS, TIMEOUT, Failed, Server, asked_while

AGE = 1
SECONDS_OF_AGING = 8.0
TRIES = 20
ROWS = 10_000


def request(rows, explain=0):
    """A question about so many customers."""
    asked = prediction_service_pb2.PredictChurnRequest(explain=explain)
    asked.customer_ids.ids.extend(CUSTOMERS[row % len(CUSTOMERS)] for row in range(rows))
    return asked


def no_call_fails_while_connections_age(server):
    """As grpcio is by default, which sends again what never left the client, and nothing else."""
    with grpc.insecure_channel(server.endpoint) as channel:
        answers = asked_while(channel, lambda: time.sleep(SECONDS_OF_AGING), 100)
    return f"{answers} calls in {SECONDS_OF_AGING:.0f} s over connections of {AGE} s, none failed"


def an_expired_deadline_is_told_as_such(server):
    """Whichever side notices first."""
    with grpc.insecure_channel(server.endpoint) as channel:
        ask = prediction_service_pb2_grpc.PredictionServiceStub(channel).PredictChurn
        ask(request(1), timeout=TIMEOUT)
        for number in range(TRIES):
            try:
                ask(request(ROWS, explain=5), timeout=0.0002 * (1 + number))
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise Failed(f"{error.code()}: {error.details()}") from error
            else:
                raise Failed(f"{ROWS} rows in {0.2 * (1 + number):.1f} ms")
        ask(request(1), timeout=TIMEOUT)
    return f"{TRIES} calls whose time was up say DEADLINE_EXCEEDED"


def a_cancelled_call_leaves_the_channel_whole(server):
    with grpc.insecure_channel(server.endpoint) as channel:
        ask = prediction_service_pb2_grpc.PredictionServiceStub(channel).PredictChurn
        calls = [ask.future(request(100, explain=5), timeout=TIMEOUT) for _ in range(TRIES)]
        for call in calls:
            call.cancel()
        for call in calls:
            if not call.cancelled() and call.code() != grpc.StatusCode.OK:
                raise Failed(f"{call.code()}: {call.details()}")
        if len(ask(request(3), timeout=TIMEOUT).probabilities) != 3:
            raise Failed("not as many rows as were asked for")
    return f"{TRIES} cancelled calls, and the next one is answered"


CHECKS = [
    no_call_fails_while_connections_age,
    an_expired_deadline_is_told_as_such,
    a_cancelled_call_leaves_the_channel_whole,
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--directory", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    os.environ["PATRON_SERVER_CONNECTION_AGE_SECONDS"] = str(AGE)
    server = Server(arguments.binary, arguments.directory)
    server.start()
    try:
        with grpc.insecure_channel(server.endpoint) as channel:
            grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
        for check in CHECKS:
            print(f"ok  {check(server)}")
    except (Failed, grpc.RpcError, grpc.FutureTimeoutError, subprocess.TimeoutExpired) as problem:
        print(f"FAILED  {problem}")
        sys.exit(1)
    finally:
        server.process.kill()
        server.process.wait()


if __name__ == "__main__":
    main()
