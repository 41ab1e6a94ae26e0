"""Runs processes one by one and tells their time and peak memory."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from environment import PEERS, THREADS

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


@dataclass(frozen=True)
class Run:
    """One process."""

    seconds: float
    """What it printed as `seconds=`, otherwise from its start to its end."""
    mib: float
    """Most memory that was resident."""
    values: dict[str, str]
    """The `key=value` pairs that it printed."""
    cpu_seconds: float = float("nan")
    """Time of all its threads, from its start to its end."""


class Failed(Exception):
    """A measured process failed."""


class OverLimit(Failed):
    """A measured process used more CPU time than it may."""


def run(command: Sequence[str | Path], threads: int = THREADS, cpu_limit: int | None = None) -> Run:
    """Runs a command to its end, or until it has used so many seconds of CPU time."""
    # Threads that spin while they wait take the cores from those that work.
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"OMP_WAIT_POLICY": "PASSIVE"}
    parts = [str(part) for part in command]
    limit = ["sh", "-c", 'ulimit -S -t "$0" && exec "$@"', str(cpu_limit)] if cpu_limit else []
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as result:
        launch = [sys.executable, "-I", "-S", str(PEERS / "launch.py"), result.name, *limit, *parts]
        subprocess.run(launch, stdout=out, stderr=err, env=environment, check=True)
        seconds, code, peak, cpu = result.read().decode().split()
        out.seek(0), err.seek(0)
        text, told = (file.read().decode(errors="replace") for file in (out, err))
    if cpu_limit and int(code) == -signal.SIGXCPU:
        raise OverLimit(f"{' '.join(parts[:3])} used more than {cpu_limit} s of CPU time")
    if code != "0":
        raise Failed(f"{' '.join(parts[:3])} ended with {code}: {' '.join(told.strip().splitlines()[-3:])[:400]}")
    values = pairs(text)
    return Run(float(values.get("seconds", seconds)), int(peak) / 1024, values, float(cpu))


def pairs(text: str) -> dict[str, str]:
    """All `key=value` words of a text."""
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


@dataclass
class Runs:
    """The rounds of one program."""

    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def mib(self) -> float:
        return max(run.mib for run in self.runs)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(run.cpu_seconds for run in self.runs)

    def middle(self, key: str) -> float:
        """Median of what the runs printed as `key=`."""
        return statistics.median(float(run.values[key]) for run in self.runs)

    def span(self) -> str:
        times = [run.seconds for run in self.runs]
        return f"{shown(min(times))}..{shown(max(times))}"


def shown(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def directory_bytes(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def load_note() -> str:
    """Warns when something else runs: figures of a busy machine are worth nothing."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"  note: load average {load:.1f} before the first round, other work runs here", file=sys.stderr)
    return f"load={load:.1f}"
