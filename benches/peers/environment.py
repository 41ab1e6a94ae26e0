"""Where things are, and how to get what is missing. Standard library only."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

PEERS = Path(__file__).resolve().parent
ROOT = PEERS.parents[1]
TARGET = ROOT / "target"
WORK = TARGET / "peers"
PATRON = TARGET / "release" / "patron"
EXAMPLES = TARGET / "release" / "examples"
THREADS = 2


class Unavailable(Exception):
    """Something that a comparison needs is not there."""


def enter() -> None:
    """Goes on in the virtual environment of requirements.txt, which is made if it is not there."""
    python = environment("venv", PEERS / "requirements.txt")
    if Path(sys.prefix).resolve() != python.parents[1].resolve():
        os.execv(python, [str(python), *sys.argv])


def environment_of(peer: str, requirements: Path) -> Path:
    """The interpreter of a peer that does not go together with the others."""
    try:
        return environment(f"venv-{peer}", requirements)
    except subprocess.CalledProcessError as error:
        raise Unavailable(f"{peer} cannot be installed: pip ended with {error.returncode}") from None


def environment(name: str, requirements: Path) -> Path:
    """The interpreter of a virtual environment, which is made if it is not there or not the one wanted."""
    wanted = requirements.read_text()
    place = WORK / name
    python, stamp = place / "bin" / "python", place / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {place}", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]
        subprocess.run([*install, requirements], check=True)
        stamp.write_text(wanted)
    return python


def patron() -> Path:
    """The release build, which is made if it is not there. An old one is not noticed."""
    if not PATRON.exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return PATRON


def kernels() -> Path:
    """The example that times the learners."""
    return example("kernels")


def example(name: str) -> Path:
    """A program of `benches/`, which is made if it is not there. An old one is not noticed."""
    program = EXAMPLES / name
    if not program.exists():
        subprocess.run(["cargo", "build", "--release", "--locked", "--example", name], cwd=ROOT, check=True)
    return program


def forecasts() -> Path:
    """The example that times forecasts."""
    return example("forecasts")
