"""Restarts a Patron server again and again under a client that does what the server advises.

    pip install -r tests/python/requirements.txt ./python
    python tests/python/restart_check.py --binary target/debug/patron --directory patron-demo

The directory is that of `patron demo`, which must have ended. GetServerInfo gives the service config
of the client; with it no call may fail, whether the server is asked to go or is killed. Prints one line
per check; exits with 1 at the first that fails.
"""

import argparse
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
from patron_client._proto import (
    prediction_service_pb2,
    prediction_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
)

TIMEOUT = 30.0
CALLERS = 4
SIGNALS = [signal.SIGTERM, signal.SIGKILL, signal.SIGTERM]
BETWEEN = 3.0
CUSTOMERS = ["17850", "13047", "12583", "nobody"]


class Failed(Exception):
    """What was expected and what was found."""


class Server:
    """The server, started anew on the same port."""

    def __init__(self, binary, directory):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.endpoint = "127.0.0.1:%d" % free.getsockname()[1]
        self.command = [
            binary,
            "serve",
            "--listen",
            self.endpoint,
            "--data-directory",
            str(directory / "data"),
            "--model-directory",
            str(directory / "models"),
            "--time-zone",
            "Europe/London",
            "--currency",
            "GBP",
        ]
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self, number):
        self.process.send_signal(number)
        self.process.wait(timeout=TIMEOUT)


class Caller(threading.Thread):
    """Asks one call after the other until it is told to stop."""

    def __init__(self, channel, stop):
        super().__init__(daemon=True)
        self.ask = prediction_service_pb2_grpc.PredictionServiceStub(channel).PredictChurn
        self.stop = stop
        self.answers = 0
        self.errors = []

    def run(self):
        request = prediction_service_pb2.PredictChurnRequest()
        request.customer_ids.ids.extend(CUSTOMERS)
        while not self.stop.is_set():
            try:
                answer = self.ask(request, timeout=TIMEOUT)
                if len(answer.probabilities) != len(CUSTOMERS):
                    self.errors.append(f"{len(answer.probabilities)} rows")
                self.answers += 1
            except grpc.RpcError as error:
                self.errors.append(f"{error.code()}: {error.details()}")


def advice(endpoint):
    """The service config that the server gives."""
    with grpc.insecure_channel(endpoint) as channel:
        stub = server_service_pb2_grpc.ServerServiceStub(channel)
        request = server_service_pb2.GetServerInfoRequest()
        return stub.GetServerInfo(request, timeout=TIMEOUT, wait_for_ready=True).service_config_json


def asked_while(channel, work, fewest):
    """How many calls were answered while `work` was done: at least `fewest`, and none failed."""
    stop = threading.Event()
    callers = [Caller(channel, stop) for _ in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        work()
    finally:
        stop.set()
        for caller in callers:
            caller.join(TIMEOUT)
    errors = [error for caller in callers for error in caller.errors]
    answers = sum(caller.answers for caller in callers)
    if errors:
        raise Failed(f"{len(errors)} of {answers + len(errors)} calls failed: {errors[:3]}")
    if answers < fewest:
        raise Failed(f"only {answers} calls were answered")
    return answers


def restart(server):
    for number in SIGNALS:
        time.sleep(BETWEEN)
        server.stop(number)
        server.start()
    time.sleep(BETWEEN)


def check(binary, directory):
    server = Server(binary, directory)
    server.start()
    try:
        options = [("grpc.service_config", advice(server.endpoint)), ("grpc.enable_retries", 1)]
        with grpc.insecure_channel(server.endpoint, options=options) as channel:
            answers = asked_while(channel, lambda: restart(server), CALLERS * len(SIGNALS))
        print(f"ok  {answers} calls over {len(SIGNALS)} restarts, one by SIGKILL, none failed")
    finally:
        server.process.kill()
        server.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--directory", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    try:
        check(arguments.binary, arguments.directory)
    except (Failed, grpc.RpcError, subprocess.TimeoutExpired) as problem:
        print(f"FAILED  {problem}")
        sys.exit(1)


if __name__ == "__main__":
    main()
