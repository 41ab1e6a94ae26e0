"""`compare.py lookup`: how long one customer takes, in a store that holds all lines."""

from __future__ import annotations

import random
import shlex
import shutil
import sys
from argparse import Namespace

import pyarrow.parquet as pq

from environment import PEERS, WORK
from features import imported
from ingest import peer
from measure import Run, load_note, run, shown
from server import Server
from sources import Source, simulated

SEED = 1
PEER_NAMES = ("sqlite", "duckdb")


def main(args: Namespace) -> int:
    source = Source.at(args.data) if args.data else simulated(args.lines)
    place = WORK / "lookup"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    customers = place / "customers.txt"
    customers.write_text("\n".join(drawn(source, args.lookups)))
    files = {}
    for name in PEER_NAMES:
        peer(name, place / name, source)
        files[name] = place / name / "store.db"
    data = imported(source)
    note = load_note()
    with Server(data, source) as server:
        shared = ["--customers", customers, "--seconds", str(args.seconds)]
        reader = [sys.executable, PEERS / "lookup_readers.py"]
        peers = {name: run([*reader, name, "--place", files[name], *shared]) for name in PEER_NAMES}
        for what in ("lines", "features"):
            report(what, "grpc", run([*reader, what, "--place", server.endpoint, *shared]), peers, source, note)
    if args.in_process_command:
        command = shlex.split(args.in_process_command.format(data_directory=data))
        report("features", "in-process", run(command), peers, source, note)
    return 0


def drawn(source: Source, count: int) -> list[str]:
    """Random customers, each as likely as another; a customer may come up again."""
    column = pq.read_table(source.parquet, columns=["customer_id"])["customer_id"]
    known = sorted(column.drop_null().unique().to_pylist())
    return random.Random(SEED).choices(known, k=count)


def report(what: str, way: str, ours: Run, peers: dict[str, Run], source: Source, note: str) -> None:
    for name, found in peers.items():
        p50, p99, peer_p50, peer_p99 = (
            float(side.values[key]) for side in (ours, found) for key in ("p50_us", "p99_us"))
        print(f"lookup of={what} way={way} peer={name} ours_p50_us={p50:.0f} ours_p99_us={p99:.0f} "
              f"peer_p50_us={peer_p50:.0f} peer_p99_us={peer_p99:.0f} ratio={shown(peer_p50 / p50)} "
              f"lines={source.lines} ours_lookups={ours.values.get('lookups', '?')} "
              f"peer_lookups={found.values['lookups']}")
        print(f"  peer_of=lines peer_way=in-process {note}", flush=True)
