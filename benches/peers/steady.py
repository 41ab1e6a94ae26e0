"""`compare.py steady`: how quick one-vector calls stay beside everything else that a server does."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import threading
import time
from argparse import Namespace
from concurrent import futures
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Iterator

import grpc

from environment import Unavailable, patron
from measure import Failed, load_note, shown
from server import Server, make_stubs
from serving_load import SERVER_CORE, Answered, Asked, ask
from serving_model import FEATURES, MODEL, Prepared, prepare, train

RATE = 2_000.0
"""Calls a second, a quarter or less of what the server's core can answer."""
SWAPS_A_SECOND = 20
CALLS_OF_A_KEY = 1_000
NEIGHBOUR_RATE = 10.0 * CALLS_OF_A_KEY
STARTS = 20

IDLE = {"PATRON_JOBS_PRIORITY": "idle"}
PIN = ["taskset", "-c", SERVER_CORE]


@dataclass
class Case:
    """Something that a server does, or has to bear, while it is asked."""

    name: str
    asked: str
    """What was promised of the ratio, as the line tells it."""
    meanwhile: Callable[[Server, Prepared], Iterator[None]] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    """Of the server, beyond those it has without the case."""
    base: dict[str, str] = field(default_factory=dict)
    """Of the server with and without the case."""
    what: list[str | Path] = field(default_factory=list)
    extra: list[str | Path] = field(default_factory=list)
    """Arguments of the generator with the case only."""
    key: str = "p99_us"
    rate: float = RATE


def main(args: Namespace) -> int:
    if len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("expected two cores: one for the server, one for the generator")
    prepared = prepare(args.lines)
    make_stubs()
    with Server(prepared.data, prepared.source) as server:
        second_version(server, prepared)
    load_note()
    for case in cases(prepared):
        if not args.cases or case.name in args.cases:
            report(case, [compared(case, prepared, args.seconds, number) for number in range(args.rounds)])
    if not args.cases or "start" in args.cases:
        starts(prepared)
    return 0


def second_version(server: Server, prepared: Prepared) -> None:
    """Trains it unless it is there."""
    from patron.v1 import model_service_pb2, model_service_pb2_grpc

    with grpc.insecure_channel(server.endpoint) as channel:
        models = model_service_pb2_grpc.ModelServiceStub(channel)
        versions = models.ListModelVersions(model_service_pb2.ListModelVersionsRequest(model=MODEL), timeout=10)
    if len(versions.versions) < 2:
        train(server, MODEL, "--table", prepared.place / "table.csv", "--label", "bought",
              "--algorithm", "logistic-regression")


def cases(prepared: Prepared) -> list[Case]:
    keys = {name: key(prepared, name) for name in ("shop", "neighbour")}
    limited = {"PATRON_ACCESS_KEYS_FILE": str(keys_file(prepared)),
               "PATRON_ACCESS_CALLS_PER_SECOND": str(CALLS_OF_A_KEY)}
    return [
        Case("training", "-", training),
        Case("training-idle", "-", training, base=IDLE),
        Case("scoring", "-", scoring),
        Case("scoring-idle", "-", scoring, base=IDLE),
        Case("swaps", "1.2", swaps, rate=0),
        Case("swaps-idle", "1.2", swaps, base=IDLE, rate=0),
        Case("neighbour", "1.2", base=limited, what=["--key-file", keys["shop"]], rate=CALLS_OF_A_KEY / 2,
             extra=["--neighbour-key-file", keys["neighbour"], "--neighbour-rate", str(NEIGHBOUR_RATE)]),
        Case("traces", "1.03", collector, key="cpu_s_per_1k", rate=0,
             settings={"PATRON_TELEMETRY_TRACES_ENDPOINT": f"http://127.0.0.1:{COLLECTOR_PORT}",
                       "PATRON_TELEMETRY_TRACES_RATIO": "0.01"}),
    ]


def compared(case: Case, prepared: Prepared, seconds: float, number: int) -> tuple[Answered, Answered]:
    """A run without and a run with the case; every other round the other way round."""
    pair = [measure(case, prepared, seconds, beside) for beside in ((False, True), (True, False))[number % 2]]
    return (pair[0], pair[1]) if number % 2 == 0 else (pair[1], pair[0])


def measure(case: Case, prepared: Prepared, seconds: float, beside: bool) -> Answered:
    settings = case.base | (case.settings if beside else {})
    prefix = ["env", *(f"{name}={value}" for name, value in settings.items()), *PIN]
    what = vectors(prepared) + case.what + (case.extra if beside else [])
    asked = Asked(what, 1, 16, seconds, 1.0, rate=case.rate)
    with ExitStack() as stack:
        server = stack.enter_context(Server(prepared.data, prepared.source, prefix))
        if beside and case.meanwhile:
            stack.enter_context(contextmanager(case.meanwhile)(server, prepared))
        return ask(f"http://{server.endpoint}", server.process.pid, asked)


def vectors(prepared: Prepared) -> list[str | Path]:
    return ["--case", "row1", "--model", MODEL, "--features", str(FEATURES), "--vectors", prepared.vectors]


def report(case: Case, rounds: list[tuple[Answered, Answered]]) -> None:
    alone, beside = ([run.number(case.key) for run in runs] for runs in zip(*rounds, strict=True))
    ratio = statistics.median(beside) / statistics.median(alone)
    errors = {run.values["errors"] for pair in rounds for run in pair}
    print(f"steady beside={case.name} {case.key}={statistics.median(beside):.5g} "
          f"alone={statistics.median(alone):.5g} ratio={shown(ratio)} asked={case.asked} "
          f"errors={','.join(sorted(errors))} rounds={len(rounds)}")
    quantiles = [f"{name}={statistics.median(pair[1].number(name) for pair in rounds):.0f}"
                 f"/{statistics.median(pair[0].number(name) for pair in rounds):.0f}"
                 for name in ("p50_us", "p99_us", "p999_us", "max_us")]
    print(f"  {' '.join(quantiles)} {case.key}={span(beside)}/{span(alone)} "
          f"{neighbour(rounds[0][1])}load={','.join(pair[1].values['load'] for pair in rounds)}", flush=True)


def neighbour(run: Answered) -> str:
    """What became of the calls of a neighbour, if there was one."""
    told = [f"{key}={value} " for key, value in run.values.items() if key.startswith("neighbour_")]
    return "".join(told)


def span(values: list[float]) -> str:
    return f"{min(values):.5g}..{max(values):.5g}"


# What goes on meanwhile.


def stand_back() -> None:
    """Whoever drives a case takes what the server and the generator leave of their cores."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def again_and_again(command: list[str | Path], tidy: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Runs a command of the command line over and over; its server does the work."""
    ended = threading.Event()
    faults: list[str] = []

    def loop() -> None:
        while not ended.is_set():
            tidy()
            words = [str(part) for part in command]
            done = subprocess.run(words, capture_output=True, text=True, preexec_fn=stand_back)
            if done.returncode != 0:
                faults.append(done.stderr[-300:])
                return

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        time.sleep(0.5)
        yield
    finally:
        ended.set()
        thread.join()
    if faults:
        raise Failed(f"{command[1]}: {faults[0]}")


def training(server: Server, _: Prepared) -> Iterator[None]:
    yield from again_and_again([patron(), "train", "churn", "--endpoint", server.endpoint])


def scoring(server: Server, prepared: Prepared) -> Iterator[None]:
    output = prepared.place / "steady-scores.parquet"
    command = [patron(), "score", "churn", "--file", output, "--endpoint", server.endpoint]
    yield from again_and_again(command, lambda: output.unlink(missing_ok=True))


def swaps(server: Server, _: Prepared) -> Iterator[None]:
    """Moves the alias that the calls follow between two versions."""
    from patron.v1 import model_service_pb2, model_service_pb2_grpc

    ended = threading.Event()
    faults: list[str] = []

    def loop() -> None:
        stand_back()
        with grpc.insecure_channel(server.endpoint) as channel:
            models = model_service_pb2_grpc.ModelServiceStub(channel)
            number = 0
            while not ended.wait(1 / SWAPS_A_SECOND):
                try:
                    models.SetModelAlias(model_service_pb2.SetModelAliasRequest(
                        model=MODEL, alias="champion", version=1 + number % 2, force=True), timeout=10)
                except grpc.RpcError as error:
                    faults.append(str(error))
                    return
                number += 1

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if faults:
        raise Failed(faults[0])


COLLECTOR_PORT = 43_170


def collector(_: Server, __: Prepared) -> Iterator[None]:
    """Takes traces and forgets them. The server sends the first ones later than it comes up."""
    def taken(_: bytes, __: grpc.ServicerContext) -> bytes:
        return b""

    handler = grpc.method_handlers_generic_handler(
        "opentelemetry.proto.collector.trace.v1.TraceService",
        {"Export": grpc.unary_unary_rpc_method_handler(taken)})
    server = grpc.server(futures.ThreadPoolExecutor(2, initializer=stand_back), handlers=[handler])
    if not server.add_insecure_port(f"127.0.0.1:{COLLECTOR_PORT}"):
        raise Unavailable(f"port {COLLECTOR_PORT} is taken")
    server.start()
    try:
        yield
    finally:
        server.stop(1).wait()


def keys_file(prepared: Prepared) -> Path:
    return prepared.place / "steady-keys.toml"


def key(prepared: Prepared, name: str) -> Path:
    """A file with the secret of a new key."""
    secret = prepared.place / f"steady-{name}.key"
    done = subprocess.run([patron(), "keys", "create", "--name", name, "--role", "predict",
                           "--keys-file", keys_file(prepared), "--output", "json"],
                          capture_output=True, text=True)
    if done.returncode == 0:
        secret.write_text(json.loads(done.stdout)["secret"])
    elif not secret.exists():
        raise Failed(done.stderr[-300:])
    return secret


def starts(prepared: Prepared) -> None:
    """The first call of a server that just came up, beside the first of a connection to a warm one."""
    asked = Asked([*vectors(prepared), "--calls", "200"], 1, 1, 0.2, 0.0)
    cold = []
    for _ in range(STARTS):
        with Server(prepared.data, prepared.source, PIN) as server:
            cold.append(first(server, asked))
    with Server(prepared.data, prepared.source, PIN) as server:
        ask(f"http://{server.endpoint}", server.process.pid, replace(asked, what=vectors(prepared), seconds=2.0))
        warm = [first(server, asked) for _ in range(STARTS)]
    ratio = statistics.median(cold) / statistics.median(warm)
    print(f"steady first_call_us={statistics.median(cold):.0f} warm_us={statistics.median(warm):.0f} "
          f"ratio={shown(ratio)} asked=1.5 most={shown(max(cold) / max(warm))} starts={STARTS}")
    print(f"  first_call_us={span(cold)} warm_us={span(warm)}", flush=True)


def first(server: Server, asked: Asked) -> float:
    return ask(f"http://{server.endpoint}", server.process.pid, asked).number("first_us")
