"""A PostgreSQL server of one's own, for COPY."""

from __future__ import annotations

import math
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

import duckdb

from ingest_peers import COLUMNS, TABLE
from measure import Run
from sources import Source


def missing() -> str:
    """Why it cannot take part; empty where it can."""
    if not all(shutil.which(name) for name in ("initdb", "postgres", "pg_ctl", "psql")):
        return "not-installed"
    return "" if owner() or os.getuid() != 0 else "refuses-to-run-as-root"


def owner() -> str | None:
    """Whom it runs as: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else None


def copy(directory: Path, source: Source) -> tuple[Run, int]:
    """COPY of a CSV file that was written beforehand, with a primary key, into an empty database.

    Versions of a line differ in `recorded_at`, which is why that is part of the key here.
    """
    # Not below the project's directory, which the other user may not enter.
    place = Path(os.environ.get("TMPDIR", "/tmp")) / f"patron-peers-postgresql-{os.getpid()}"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o755)
    user = owner()
    if user:
        shutil.chown(place, user)
    data, csv = place / "data", place / "lines.csv"
    lines = f"SELECT {COLUMNS} FROM read_parquet('{source.parquet}')"
    duckdb.connect().execute(f"COPY ({lines}) TO '{csv}' (FORMAT csv, HEADER false)")
    csv.chmod(0o644)
    try:
        return measured(place, data, csv, user)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def measured(place: Path, data: Path, csv: Path, user: str | None) -> tuple[Run, int]:
    """The time of COPY and a checkpoint, and the size of the table with its index."""
    def call(*command: str | Path, text: str | None = None) -> str:
        return subprocess.run([str(part) for part in command], user=user, check=True, stdout=subprocess.PIPE,
                              text=True, input=text, cwd=place).stdout

    call("initdb", "-D", data, "-A", "trust", "--no-locale", "-E", "UTF8")
    call("pg_ctl", "-D", data, "-w", "-l", place / "log", "-o", f"-k {place} -c listen_addresses= "
         "-c shared_buffers=256MB -c max_wal_size=4GB -c max_worker_processes=2", "start")
    psql = ("psql", "-h", place, "-d", "postgres", "-q", "-v", "ON_ERROR_STOP=1")
    try:
        table = TABLE.format(text="TEXT", key="PRIMARY KEY").replace("line_number))", "line_number, recorded_at))")
        call(*psql, text=f"{table};")
        started = time.perf_counter()
        call(*psql, text=f"COPY line FROM '{csv}' (FORMAT csv); CHECKPOINT;")
        seconds = time.perf_counter() - started
        size = call(*psql, "-t", "-A", text="SELECT pg_total_relation_size('line');")
        return Run(seconds, math.nan, {}), int(size)
    finally:
        call("pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
