"""`compare.py kmeans|logistic|tree|forest|boosting`: Patron's learners and others on the same rows."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import kernels_data
from environment import PEERS, WORK, Unavailable, kernels
from measure import OverLimit, Runs, load_note, run, shown


@dataclass(frozen=True)
class Learner:
    """What is fitted, with the settings that everyone gets."""

    quality: str
    """What quality is: less is better."""
    python: list[str]
    """Peers in kernels_peers.py."""
    rust: list[str]
    """Peers in the same program as Patron's kernels."""
    settings: dict[str, float]
    slack: float
    """How much above that of a peer in Python, as a share, Patron's quality may be. Those in Rust go
    by rules of their own. Of the gradient, only the tolerance counts."""


LEARNERS = {
    "kmeans": Learner("inertia", ["scikit-learn"], ["linfa"], {"clusters": 64, "iterations": 20}, 0.01),
    "logistic": Learner("gradient", ["scikit-learn-lbfgs", "scikit-learn-lbfgs-f32", "scikit-learn-newton-cholesky"],
                        ["linfa"], {"l2": 1.0, "tolerance": 1e-8}, 0.0),
    "tree": Learner("log_loss", ["scikit-learn", "lightgbm", "xgboost"], ["linfa"],
                    {"depth": 8, "min-rows": 50}, 0.05),
    "forest": Learner("log_loss", ["scikit-learn", "lightgbm", "xgboost"], ["smartcore"],
                      {"depth": 8, "min-rows": 50, "trees": 100, "columns-per-split": 4}, 0.02),
    "boosting": Learner("log_loss", ["scikit-learn", "lightgbm", "xgboost"], [],
                        {"leaves": 31, "min-rows": 20, "trees": 100, "rate": 0.1}, 0.02),
}


@dataclass(frozen=True)
class Task:
    """One learner on some rows."""

    name: str
    rows: int
    threads: int
    directory: Path
    program: Path

    @property
    def learner(self) -> Learner:
        return LEARNERS[self.name]

    def command(self, side: str) -> list[str | Path]:
        settings = [word for name, value in self.learner.settings.items() for word in (f"--{name}", str(value))]
        size = ["--rows", str(self.rows), "--threads", str(self.threads)]
        if side in self.learner.python:
            return [sys.executable, PEERS / "kernels_peers.py", self.name, side, "--directory", self.directory,
                    *size, *settings]
        work = self.name if side == "patron" else f"{side}-{self.name}"
        files = kernels_data.files(self.directory, standard=self.name in ("kmeans", "logistic"))
        given = ["--data", files.values, "--target", files.target, "--test", files.test,
                 "--test-target", files.test_target, "--columns", str(kernels_data.COLUMNS)]
        return [self.program, *given, *size, work, *settings]


def main(args: Namespace) -> int:
    directory = WORK / "kernels"
    program = args.program.resolve() if args.program else kernels()
    if not program.is_file():
        raise Unavailable(f"{program} is not there")
    learner = LEARNERS[args.command]
    peers, status = [*learner.python, *learner.rust], 0
    for rows in sorted(args.rows):
        kernels_data.write(directory, rows)
        for threads in args.threads:
            task = Task(args.command, rows, threads, directory, program)
            stopped, worse = compare(task, peers, args.rounds, args.limit * threads)
            # Who was too slow is not asked again for as many rows or more.
            peers = [name for name in peers if name not in stopped]
            status |= worse
    return status


def compare(task: Task, peers: list[str], rounds: int, limit: int) -> tuple[set[str], int]:
    """Runs everyone in turn and prints a line per peer: those that took too long, and 1 when our
    quality is worse than theirs."""
    note = load_note()
    found, stopped = {name: Runs() for name in ("patron", *peers)}, set()
    for number in range(rounds):
        for name in list(found)[:: 1 if number % 2 == 0 else -1]:
            if name in stopped:
                continue
            try:
                found[name].runs.append(run(task.command(name), task.threads, limit if name in peers else None))
            except OverLimit:
                stopped.add(name)
    title, status = f"{task.name} rows={task.rows} threads={task.threads}", 0
    for name in peers:
        if name in stopped:
            print(f"{title} peer={name} skipped=over-{limit}-cpu-seconds", flush=True)
        else:
            status |= report(title, task.learner, found["patron"], name, found[name], note)
    return stopped, status


def report(title: str, learner: Learner, ours: Runs, name: str, peer: Runs, note: str) -> int:
    (quality, mib, cpu), (peer_quality, peer_mib, peer_cpu) = (
        [runs.middle(key) for key in ("quality", "peak_mib", "cpu_seconds")] for runs in (ours, peer))
    digits = ".1e" if learner.quality == "gradient" else ".6g"
    print(f"{title} peer={name} ours_s={shown(ours.seconds)} peer_s={shown(peer.seconds)} "
          f"ratio={shown(peer.seconds / ours.seconds)} ours_{learner.quality}={quality:{digits}} "
          f"peer_{learner.quality}={peer_quality:{digits}} ours_extra_mib={mib:.1f} peer_extra_mib={peer_mib:.1f} "
          f"rounds={len(ours.runs)}")
    print(f"  ours_s={ours.span()} peer_s={peer.span()} ours_cpu_s={shown(cpu)} peer_cpu_s={shown(peer_cpu)} "
          f"cpu_ratio={shown(peer_cpu / cpu)} {note}", flush=True)
    most = peer_quality * (1 + learner.slack) if name in learner.python else float("inf")
    if learner.quality == "gradient":
        most = learner.settings["tolerance"]
    worse = not quality <= most
    if worse:
        print(f"worse: ours_{learner.quality}={quality} peer={name} peer_{learner.quality}={peer_quality}", flush=True)
    return int(worse)
