"""Looks customers up one after the other; prints `p50_us=`, `p99_us=` and `lookups=`."""

from __future__ import annotations

import argparse
import sqlite3
import time
from pathlib import Path
from typing import Any, Callable

WARM_UP = 20


def sqlite(place: str) -> Callable[[str], Any]:
    connection = sqlite3.connect(place)
    connection.execute("CREATE INDEX IF NOT EXISTS line_customer ON line (customer_id, occurred_at)")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA mmap_size = 4294967296")
    return lambda customer: connection.execute("SELECT * FROM line WHERE customer_id = ?", (customer,)).fetchall()


def duck(place: str) -> Callable[[str], Any]:
    import duckdb

    connection = duckdb.connect(place)
    connection.execute("SET threads = 2")
    connection.execute("CREATE INDEX IF NOT EXISTS line_customer ON line (customer_id)")
    return lambda customer: connection.execute("SELECT * FROM line WHERE customer_id = ?", [customer]).fetchall()


def patron(place: str, what: str) -> Callable[[str], Any]:
    import grpc

    from server import make_stubs

    make_stubs()
    from patron.v1 import (feature_service_pb2, feature_service_pb2_grpc, transaction_service_pb2,
                           transaction_service_pb2_grpc)

    channel = grpc.insecure_channel(place)
    if what == "lines":
        transactions = transaction_service_pb2_grpc.TransactionServiceStub(channel)
        return lambda customer: transactions.GetCustomer(
            transaction_service_pb2.GetCustomerRequest(customer_id=customer, page_size=1000))
    features = feature_service_pb2_grpc.FeatureServiceStub(channel)
    return lambda customer: features.BatchGetFeatures(
        feature_service_pb2.BatchGetFeaturesRequest(customer_ids=[customer]))


def measure(look_up: Callable[[str], Any], customers: list[str], seconds: float) -> list[float]:
    """Microseconds of each look-up, sorted, until the customers or the seconds are over."""
    found = []
    end = time.perf_counter() + seconds
    for customer in customers:
        started = time.perf_counter()
        look_up(customer)
        ended = time.perf_counter()
        found.append((ended - started) * 1e6)
        if ended > end:
            break
    return sorted(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", choices=("sqlite", "duckdb", "lines", "features"))
    parser.add_argument("--place", required=True, help="the file, or the server's endpoint")
    parser.add_argument("--customers", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    args = parser.parse_args()
    customers = args.customers.read_text().split("\n")
    readers = {"sqlite": sqlite, "duckdb": duck}
    look_up = readers[args.reader](args.place) if args.reader in readers else patron(args.place, args.reader)
    if not any(look_up(customer) for customer in customers[:WARM_UP]):
        raise SystemExit("expected lines of the customers, found none")
    found = measure(look_up, customers, args.seconds)
    p50, p99 = (found[int(len(found) * part)] for part in (0.5, 0.99))
    print(f"p50_us={p50:.1f} p99_us={p99:.1f} lookups={len(found)}")


if __name__ == "__main__":
    main()
