"""The load generator, `benches/serving_load.rs`, on a core of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from environment import example
from measure import run

SERVER_CORE, GENERATOR_CORE = "0", "1"


@dataclass(frozen=True)
class Asked:
    """How a server is asked."""

    what: Sequence[str | Path]
    """Arguments that name the requests."""
    connections: int
    waiting: int
    seconds: float
    warm_up: float
    rate: float = 0
    """Calls a second; 0: as fast as they are answered."""
    deadline_ms: int = 0


@dataclass(frozen=True)
class Answered:
    """A run of the generator."""

    asked: Asked
    values: dict[str, str]

    def number(self, key: str) -> float:
        """What it printed; not a number where nothing was answered."""
        told = self.values.get(key, "-")
        return float("nan") if told == "-" else float(told)


def ask(endpoint: str, pid: int, asked: Asked) -> Answered:
    command = ["taskset", "-c", GENERATOR_CORE, example("serving_load"), "--endpoint", endpoint,
               "--server-pid", str(pid), "--connections", str(asked.connections),
               "--in-flight", str(asked.waiting), "--seconds", str(asked.seconds),
               "--warm-up", str(asked.warm_up), *asked.what]
    if asked.rate:
        command += ["--rate", f"{asked.rate:.1f}"]
    if asked.deadline_ms:
        command += ["--deadline-ms", str(asked.deadline_ms)]
    return Answered(asked, run(command).values)
