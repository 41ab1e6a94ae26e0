"""`compare.py ingest`: taking lines in so that they survive a crash, in chunks and in bulk."""

from __future__ import annotations

import shlex
import shutil
import sys
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import postgresql
from environment import PEERS, WORK
from measure import Run, Runs, load_note, run, shown
from server import Server
from sources import Source, simulated

CHUNK = 1000


@dataclass
class Side:
    """The rounds of one store and the bytes it took at last."""

    runs: Runs = field(default_factory=Runs)
    bytes: int = 0

    def add(self, measured: Run, size: int) -> None:
        self.runs.runs.append(measured)
        self.bytes = size


def main(args: Namespace) -> int:
    source = Source.at(args.data) if args.data else simulated(args.lines)
    place = WORK / "ingest"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    note = load_note()
    measures = {
        "stream": {"patron": lambda: patron_stream(place / "patron", source, args.load_command),
                   "sqlite": lambda: peer("sqlite", place / "sqlite", source)},
        "bulk": {"patron": lambda: patron_bulk(place / "patron", source),
                 "duckdb": lambda: peer("duckdb", place / "duckdb", source)},
    }
    missing = postgresql.missing()
    if not missing:
        measures["bulk"]["postgresql"] = lambda: postgresql.copy(place / "postgresql", source)
    for mode, stores in measures.items():
        sides = {name: Side() for name in stores}
        for number in range(args.rounds):
            for name in list(stores)[:: 1 if number % 2 == 0 else -1]:
                sides[name].add(*stores[name]())
        report(mode, sides, source.lines, args.rounds, note)
    if missing:
        print(f"ingest mode=bulk peer=postgresql skipped={missing}")
    return 0


def report(mode: str, sides: dict[str, Side], lines: int, rounds: int, note: str) -> None:
    ours = sides["patron"]
    for name, peer_side in sides.items():
        if name == "patron":
            continue
        rate, peer_rate = (lines / side.runs.seconds for side in (ours, peer_side))
        print(f"ingest mode={mode} peer={name} ours_lines_s={rate:.0f} peer_lines_s={peer_rate:.0f} "
              f"ratio={shown(rate / peer_rate)} ours_bytes_line={ours.bytes / lines:.0f} "
              f"peer_bytes_line={peer_side.bytes / lines:.0f} ours_mib={ours.runs.mib:.0f} "
              f"peer_mib={peer_side.runs.mib:.0f} lines={lines} rounds={rounds}")
        print(f"  ours_s={ours.runs.span()} peer_s={peer_side.runs.span()} {note}", flush=True)
    told = ours.runs.runs[-1].values
    if "ack_p99_ms" in told:
        print(f"  ours: client={told.get('client', 'given')} ack_p50_ms={told.get('ack_p50_ms')} "
              f"ack_p99_ms={told['ack_p99_ms']}")


def patron_stream(directory: Path, source: Source, command: str | None) -> tuple[Run, int]:
    """Chunks of lines through gRPC, each acknowledged once it is durable."""
    shutil.rmtree(directory, ignore_errors=True)
    with Server(directory / "data", source) as server:
        if command:
            filled = command.format(endpoint=server.endpoint, parquet=source.parquet, mapping=source.mapping,
                                    lines=source.lines)
            measured = run(shlex.split(filled))
            if "lines_per_s" in measured.values:
                measured = Run(source.lines / float(measured.values["lines_per_s"]), measured.mib, measured.values)
        else:
            measured = run([sys.executable, PEERS / "ingest_client.py", "--parquet", source.parquet,
                            "--endpoint", server.endpoint, "--chunk", str(CHUNK)])
        mib = server.peak_mib()
    return Run(measured.seconds, mib, measured.values), server.bytes()


def patron_bulk(directory: Path, source: Source) -> tuple[Run, int]:
    """One file through `patron import`, from the command's start to its end."""
    shutil.rmtree(directory, ignore_errors=True)
    with Server(directory / "data", source) as server:
        measured = server.import_file()
        mib = server.peak_mib()
    return Run(measured.seconds, mib, measured.values), server.bytes()


def peer(name: str, directory: Path, source: Source) -> tuple[Run, int]:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    file = directory / "store.db"
    measured = run([sys.executable, PEERS / "ingest_peers.py", name, "--parquet", source.parquet, "--file", file,
                    "--chunk", str(CHUNK)])
    return measured, sum(path.stat().st_size for path in directory.iterdir())
