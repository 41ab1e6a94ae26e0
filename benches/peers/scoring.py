"""`compare.py scoring`: every customer by three models into a file, against DuckDB, pandas and scikit-learn."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from environment import PEERS, ROOT, THREADS, WORK, patron
from features import fit
from measure import Runs, load_note, run, shown
from server import Server
from sources import Source, simulated

MODELS = ("churn", "propensity", "segments")


@dataclass(frozen=True)
class Task:
    """The same customers for both, as of the same date."""

    source: Source
    place: Path
    as_ofs: list[str]

    @property
    def data(self) -> Path:
        """Patron's data directory; its models lie beside it."""
        return self.place / "data"

    def output(self, name: str) -> Path:
        return self.place / f"{name}.parquet"

    def ours(self, *more: str) -> list[str | Path]:
        return [patron(), "score", *MODELS, "--local", "--as-of", self.as_ofs[0], "--data-directory", self.data,
                "--model-directory", self.place / "models", "--time-zone", self.source.time_zone,
                "--currency", self.source.currency, "--threads", str(THREADS), "--file", self.output("patron"), *more]

    def theirs(self, step: str) -> list[str | Path]:
        """`fit` learns as of the month before, `score` answers."""
        return [sys.executable, PEERS / "scoring_peer.py", step, "--parquet", self.source.parquet,
                "--schema", self.place / "schema.json", "--as-of", self.as_ofs[0], "--before", self.as_ofs[1],
                "--models", self.place / "peer.pickle", "--output", self.output("peer")]


def main(args: Namespace) -> int:
    source = Source.at(args.data) if args.data else simulated(args.lines)
    task = Task(source, WORK / "scoring" / f"lines-{source.lines}", source.month_starts(2))
    prepare(task)
    note = load_note()
    ours, explained, theirs = Runs(), Runs(), Runs()
    for number in range(args.rounds):
        turns = [(ours, "patron", task.ours()), (explained, "patron", task.ours("--explain", "3")),
                 (theirs, "peer", task.theirs("score"))]
        for runs, name, command in turns[:: 1 if number % 2 == 0 else -1]:
            task.output(name).unlink(missing_ok=True)
            runs.runs.append(run(command))
    customers, scored = (ids(task.output(name)) for name in ("patron", "peer"))
    # Whose only orders were all taken back has no visit, and is no customer for the peer.
    if not scored <= customers or len(customers) > len(scored) * 1.01:
        print(f"differs: {len(customers - scored)} customers only in patron, {len(scored - customers)} only in the peer")
        return 1
    for reasons, runs in ((0, ours), (3, explained)):
        rate = len(customers) / runs.seconds * 60
        print(f"scoring models={len(MODELS)} reasons={reasons} peer=pandas+scikit-learn ours_s={shown(runs.seconds)} "
              f"peer_s={shown(theirs.seconds)} ratio={shown(theirs.seconds / runs.seconds)} "
              f"customers={len(customers)} customers_per_min={rate:.0f} ours_mib={runs.mib:.0f} "
              f"peer_mib={theirs.mib:.0f} lines={source.lines} rounds={args.rounds}")
        print(f"  ours_s={runs.span()} peer_s={theirs.span()} ours_cpu_s={shown(runs.cpu_seconds)} "
              f"peer_cpu_s={shown(theirs.cpu_seconds)} {note}", flush=True)
    return 0


def prepare(task: Task) -> None:
    """Imports and trains once for a file and a build."""
    marker = task.place / "prepared"
    made_of = " ".join(f"{path} {path.stat().st_mtime_ns}" for path in (task.source.parquet.resolve(), patron()))
    if marker.exists() and marker.read_text() == made_of:
        return
    shutil.rmtree(task.place, ignore_errors=True)
    for name in MODELS:
        recipe = task.place / "models" / name
        recipe.mkdir(parents=True)
        shutil.copy(ROOT / "models" / name / "recipe.toml", recipe)
    with Server(task.data, task.source) as server:
        server.import_file()
        for name in MODELS:
            run([patron(), "train", name, "--endpoint", server.endpoint])
            # Speed is asked for, not whether a model beats its baselines on made-up customers.
            run([patron(), "models", "promote", name, "1", "--force", "--endpoint", server.endpoint])
    fit(task.source, task.as_ofs[1]).write(task.place / "schema.json")
    run(task.theirs("fit"))
    marker.write_text(made_of)


def ids(path: Path) -> set[str]:
    return set(pl.read_parquet(path, columns=["customer_id"])["customer_id"].cast(pl.String))
