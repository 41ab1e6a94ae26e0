"""Fills a SQLite or DuckDB file with the lines of a Parquet file; prints `seconds=`."""

from __future__ import annotations

import argparse
import sqlite3
import time
from pathlib import Path

import duckdb

TABLE = """CREATE TABLE line (
  customer_id {text}, order_id {text} NOT NULL, line_number INTEGER NOT NULL, occurred_at BIGINT NOT NULL,
  product_id {text} NOT NULL, category {text}, quantity BIGINT NOT NULL, unit_price BIGINT NOT NULL,
  discount BIGINT NOT NULL, unit_cost BIGINT, currency {text}, channel {text}, store_id {text},
  promotion_id {text}, country {text}, cancels_order_id {text}, recorded_at BIGINT NOT NULL,
  {key} (order_id, line_number))"""

# The columns in their order, with integers for times (micros), money (micros) and quantities.
COLUMNS = """customer_id, order_id, line_number, epoch_us(occurred_at), product_id, category,
  (quantity * 1000)::BIGINT, (unit_price * 1000000)::BIGINT, coalesce((discount * 1000000)::BIGINT, 0),
  (unit_cost * 1000000)::BIGINT, currency, channel, store_id, promotion_id, country, cancels_order_id,
  epoch_us(recorded_at)"""


def sqlite(parquet: Path, file: Path, chunk: int) -> float:
    """Row by row, each chunk durable before the next. Only the time in SQLite counts."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(TABLE.format(text="TEXT", key="UNIQUE"))
    insert = f"INSERT OR IGNORE INTO line VALUES ({', '.join('?' * 17)})"
    reader = duckdb.connect()
    reader.execute("SET threads = 2")
    rows = reader.execute(f"SELECT {COLUMNS} FROM read_parquet('{parquet}')")
    seconds = 0.0
    while part := rows.fetchmany(chunk):
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, part)
        connection.execute("COMMIT")
        seconds += time.perf_counter() - started
    started = time.perf_counter()
    connection.close()
    return seconds + time.perf_counter() - started


def duck(parquet: Path, file: Path) -> float:
    """One statement over the whole file, and a checkpoint."""
    started = time.perf_counter()
    connection = duckdb.connect(file)
    connection.execute("SET threads = 2; SET preserve_insertion_order = false")
    connection.execute(TABLE.format(text="VARCHAR", key="PRIMARY KEY"))
    connection.execute(f"INSERT OR IGNORE INTO line SELECT {COLUMNS} FROM read_parquet('{parquet}')")
    connection.execute("CHECKPOINT")
    connection.close()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("store", choices=("sqlite", "duckdb"))
    parser.add_argument("--parquet", type=Path, required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--chunk", type=int, default=1000)
    args = parser.parse_args()
    seconds = sqlite(args.parquet, args.file, args.chunk) if args.store == "sqlite" else duck(args.parquet, args.file)
    print(f"seconds={seconds:.4f}")


if __name__ == "__main__":
    main()
