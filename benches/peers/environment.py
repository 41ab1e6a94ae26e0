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
KERNELS = TARGET / "release" / "examples" / "kernels"
THREADS = 2


class Unavailable(Exception):
    """Something that a comparison needs is not there."""


def enter() -> None:
    """Goes on in the virtual environment of requirements.txt, which is made if it is not there."""
    wanted = (PEERS / "requirements.txt").read_text()
    place = WORK / "venv"
    python, stamp = place / "bin" / "python", place / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {place}", file=sys.stderr)
        venv.create(place, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r"]
        subprocess.run([*install, PEERS / "requirements.txt"], check=True)
        stamp.write_text(wanted)
    if Path(sys.prefix).resolve() != place.resolve():
        os.execv(python, [str(python), *sys.argv])


def patron() -> Path:
    """The release build, which is made if it is not there. An old one is not noticed."""
    if not PATRON.exists():
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    return PATRON


def kernels() -> Path:
    """The example that times the learners, which is made if it is not there. An old one is not noticed."""
    if not KERNELS.exists():
        subprocess.run(["cargo", "build", "--release", "--locked", "--example", "kernels"], cwd=ROOT, check=True)
    return KERNELS
