"""A `patron serve` of one's own, and stubs for its interface."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Sequence

from environment import ROOT, WORK, Unavailable, patron
from measure import Run, directory_bytes, run
from sources import Source


class Server:
    """Serves on a free port of this machine while the context is open."""

    def __init__(self, data_directory: Path, source: Source, prefix: Sequence[str] = ()) -> None:
        """`prefix` is a command that runs another, `taskset` for example."""
        self.data_directory = data_directory
        self.source = source
        self.prefix = prefix
        self.endpoint = ""

    def __enter__(self) -> Server:
        self.data_directory.mkdir(parents=True, exist_ok=True)
        models = self.data_directory.parent / "models"
        models.mkdir(exist_ok=True)
        command = [*self.prefix, patron(), "serve", "--listen", "127.0.0.1:0", "--data-directory", self.data_directory,
                   "--model-directory", models, "--time-zone", self.source.time_zone,
                   "--currency", self.source.currency, "--log-filter", "warn", "--as-of", "latest"]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        told = re.search(r"listening on (\S+)", self.process.stdout.readline())
        if not told:
            raise Unavailable("patron serve did not come up")
        self.endpoint = told[1]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def import_file(self) -> Run:
        """Imports the source's file and waits for the job."""
        return run([patron(), "import", self.source.parquet, "--mapping", self.source.mapping,
                    "--endpoint", self.endpoint])

    def peak_mib(self) -> float:
        """Most memory of the server so far; 0 where the system does not tell."""
        status = Path(f"/proc/{self.process.pid}/status")
        told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
        return int(told[1]) / 1024 if told else 0.0

    def bytes(self) -> int:
        """Size of the data directory; after the server has ended it has no log of writes."""
        return directory_bytes(self.data_directory)


def make_stubs() -> None:
    """Makes Python stubs of the interface and lets them be imported."""
    from grpc_tools import protoc

    place = WORK / "stubs"
    place.mkdir(parents=True, exist_ok=True)
    files = [str(path) for path in sorted((ROOT / "proto" / "patron").rglob("*.proto"))]
    arguments = ["protoc", f"-I{ROOT / 'proto'}", f"-I{Path(protoc.__file__).parent / '_proto'}",
                 f"--python_out={place}", f"--grpc_python_out={place}", *files]
    if protoc.main(arguments) != 0:
        raise Unavailable("no stubs could be made from proto/")
    sys.path.insert(0, str(place))
