"""The servers of a comparison, each on one core and on a free port while its context is open."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import time
import urllib.request
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import grpc
import numpy as np

from environment import PEERS, Unavailable, environment_of, example
from server import Server
from serving_load import SERVER_CORE
from serving_model import FEATURES, MODEL, Prepared, ask_patron

PIN = ["taskset", "-c", SERVER_CORE]
START_SECONDS = 180
# What waits: connections, and calls on each.
ONE, MANY, FEW = (1, 1), (4, 4), (2, 1)

Cases = dict[str, tuple[list[str | Path], tuple[int, int]]]


class Side(ABC):
    """A server that runs while the context is open."""

    name = ""
    overload: str | None = None
    """The case whose capacity is doubled; none: it is not overloaded."""
    endpoint = ""
    pid = 0

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.stack = ExitStack()

    def __enter__(self) -> Side:
        try:
            self.start()
        except BaseException:
            self.stack.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stack.close()

    @abstractmethod
    def start(self) -> None:
        """Comes up, and sets `endpoint` and `pid`."""

    @abstractmethod
    def cases(self) -> Cases:
        """The generator's arguments and what waits, by the name of the case."""

    def probabilities(self, rows: np.ndarray) -> np.ndarray | None:
        """Its answers; none where the model is another."""
        return None

    def difference(self) -> float:
        """How far its answers are from those of the coefficients."""
        found = self.probabilities(self.prepared.rows())
        return 0.0 if found is None else float(np.abs(found - self.prepared.probabilities()).max())


class Patron(Side):
    name = "patron"
    overload = "ids100"

    def start(self) -> None:
        server = self.stack.enter_context(Server(self.prepared.data, self.prepared.source, PIN))
        self.endpoint, self.pid = f"http://{server.endpoint}", server.process.pid

    def cases(self) -> Cases:
        vectors = ["--model", MODEL, "--features", str(FEATURES), "--vectors", self.prepared.vectors]
        customers = ["--customers", self.prepared.customers]
        return {
            "one": (["--case", "row1", *vectors], ONE),
            "row1": (["--case", "row1", *vectors], MANY),
            "floats1": (["--case", "floats1", *vectors], MANY),
            "rows1000": (["--case", "rows1000", *vectors], FEW),
            "floats1000": (["--case", "floats1000", *vectors], FEW),
            "id1": (["--case", "id1", *customers], MANY),
            "ids100": (["--case", "ids100", *customers], MANY),
            "forecast": (["--case", "forecast"], MANY),
            "stream1": (["--case", "stream1", *vectors], (1, 16)),
            "stream1000": (["--case", "stream1000", *vectors], (1, 4)),
        }

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        return ask_patron(self.endpoint, rows)


class Bare(Side):
    """The least that a tonic server can do, on a thread of its own."""

    name = "bare"
    runtime: list[str] = []

    def start(self) -> None:
        command = [*PIN, example("serving_load"), "--bare", "--features", str(FEATURES), *self.runtime]
        process = started(self.stack, command, stdout=subprocess.PIPE)
        assert process.stdout
        told = re.search(rb"listening on (\S+)", process.stdout.readline())
        if not told:
            raise Unavailable("the bare server did not come up")
        self.endpoint, self.pid = told[1].decode(), process.pid

    def cases(self) -> Cases:
        vectors = ["--features", str(FEATURES), "--vectors", self.prepared.vectors]
        return {
            "one": (["--case", "row1", *vectors], ONE),
            "row1": (["--case", "row1", *vectors], MANY),
            "floats1": (["--case", "floats1", *vectors], MANY),
            "rows1000": (["--case", "rows1000", *vectors], FEW),
            "floats1000": (["--case", "floats1000", *vectors], FEW),
        }


class BareThreads(Bare):
    """The same on the runtime that Patron has, with the one thread that one core gives it."""

    name = "bare-threads"
    runtime = ["--threads", "1"]


class Peer(Side):
    """A program of `serving/` in a virtual environment of its own."""

    overload = "row1"
    path = "/predict"
    http = True

    def start(self) -> None:
        python = environment_of(self.name, PEERS / "serving" / f"requirements-{self.name}.txt")
        port, place = free_port(), self.prepared.place / self.name
        place.mkdir(exist_ok=True)
        log = self.stack.enter_context((place / "log.txt").open("w"))
        program = PEERS / "serving" / f"peer_{self.name}.py"
        command = [*PIN, python, program, "--model", self.prepared.coefficients, "--port", str(port), "--place", place]
        process = started(self.stack, command, stdout=log, stderr=log)
        self.endpoint, self.pid = f"http://127.0.0.1:{port}", process.pid
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                self.probabilities(self.prepared.rows()[:1])
                return
            except (OSError, grpc.RpcError) as error:
                if process.poll() is not None or time.monotonic() > end:
                    last = (place / "log.txt").read_text().strip().splitlines()[-1:]
                    why = " ".join(last) or type(error).__name__
                    raise Unavailable(f"{self.name} did not come up: {why}") from None
                time.sleep(0.3)

    def cases(self) -> Cases:
        return {"one": (self.message(1), ONE), "row1": (self.message(1), MANY), "rows1000": (self.message(1000), FEW)}

    def message(self, rows: int) -> list[str | Path]:
        file = self.prepared.place / self.name / f"message-{rows}"
        file.write_bytes(self.encoded(self.prepared.rows()[:rows]))
        return ["--case", "message", "--rows", str(rows), "--path", self.path, "--message", file,
                *(["--http"] if self.http else [])]

    def encoded(self, rows: np.ndarray) -> bytes:
        # The short form of the 32-bit floats, as a client in another language would write them.
        return json.dumps({"rows": [[float(str(value)) for value in row] for row in rows]}).encode()

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        request = urllib.request.Request(self.endpoint + self.path, self.encoded(rows),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            told = json.load(answer)
        return np.array(told["probabilities"] if isinstance(told, dict) else told)


class FastApi(Peer):
    name = "fastapi"


class BentoMl(Peer):
    name = "bentoml"


class OnnxRuntime(Peer):
    name = "onnxruntime"
    path = "/peer.Scorer/Score"
    http = False

    def encoded(self, rows: np.ndarray) -> bytes:
        return rows.tobytes()

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        return np.frombuffer(unary(self.endpoint, self.path, self.encoded(rows)), dtype="<f4")


class MlServer(Peer):
    """Over gRPC, with raw contents: its fastest way."""

    name = "mlserver"
    path = "/inference.GRPCInferenceService/ModelInfer"
    http = False

    def encoded(self, rows: np.ndarray) -> bytes:
        """A ModelInferRequest of the Open Inference Protocol."""
        tensor = field(1, b"rows") + field(2, b"FP32") + field(3, b"".join(varint(side) for side in rows.shape))
        output = field(1, b"predict_proba")
        return field(1, b"peer") + field(5, tensor) + field(6, output) + field(7, rows.tobytes())

    def probabilities(self, rows: np.ndarray) -> np.ndarray:
        answer = unary(self.endpoint, self.path, self.encoded(rows))
        # The numbers are the last field of a ModelInferResponse: both classes of each row, in doubles.
        return np.frombuffer(answer[-16 * len(rows):], dtype="<f8").reshape(-1, 2)[:, 1]


PEERS_BY_NAME = {side.name: side for side in (MlServer, FastApi, BentoMl, OnnxRuntime)}


def started(stack: ExitStack, command: list[str | Path], **files: object) -> subprocess.Popen[bytes]:
    """A process that is ended with the stack, with all that it started."""
    process = subprocess.Popen([str(part) for part in command], start_new_session=True, **files)  # type: ignore
    stack.callback(end, process)
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """The first of three free ports: MLServer takes three."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unary(endpoint: str, path: str, message: bytes) -> bytes:
    with grpc.insecure_channel(endpoint.removeprefix("http://")) as channel:
        return bytes(channel.unary_unary(path)(message, timeout=10))


def varint(number: int) -> bytes:
    """A number as protobuf writes it."""
    low = number & 0x7F
    return bytes([low]) if number < 0x80 else bytes([low | 0x80]) + varint(number >> 7)


def field(number: int, content: bytes) -> bytes:
    """A field of bytes, text, a message or packed numbers as protobuf writes it."""
    return varint(number << 3 | 2) + varint(len(content)) + content
