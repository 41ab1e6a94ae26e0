"""The lines that everyone gets: a Parquet file with its mapping, by the simulator."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pyarrow.parquet as pq

from environment import WORK, Unavailable, patron
from measure import run

MONTHS = 24
SEED = 1
ROW_GROUP = 122_880


@dataclass(frozen=True)
class Source:
    """A file of transactions."""

    parquet: Path
    mapping: Path
    time_zone: str
    currency: str
    lines: int

    @staticmethod
    def at(directory: Path) -> Source:
        """`transactions.parquet` and `mapping.toml` of a directory."""
        parquet, mapping = directory / "transactions.parquet", directory / "mapping.toml"
        if not parquet.exists() or not mapping.exists():
            raise Unavailable(f"{directory}: expected transactions.parquet and mapping.toml")
        told = tomllib.loads(mapping.read_text())
        zone = told.get("time", {}).get("zone", "UTC")
        currency = told.get("constants", {}).get("currency") or first_currency(parquet)
        return Source(parquet, mapping, zone, currency, pq.read_metadata(parquet).num_rows)

    def month_starts(self, count: int) -> list[str]:
        """The last first days of a month before the last sale, latest first."""
        last = latest(self.parquet)
        found = []
        year, month = last.year, last.month
        for _ in range(count):
            found.append(f"{year:04}-{month:02}-01")
            year, month = (year, month - 1) if month > 1 else (year - 1, 12)
        return found


def simulated(lines: int) -> Source:
    """Simulated lines, made once."""
    directory = WORK / "data" / f"lines-{lines}"
    if not (directory / "mapping.toml").exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        run([patron(), "simulate", "--lines", str(lines), "--months", str(MONTHS), "--seed", str(SEED),
             "--output", directory])
    regroup(directory / "transactions.parquet")
    return Source.at(directory)


def regroup(parquet: Path) -> None:
    """Row groups of a size that DuckDB and Polars can share among threads; same rows and order."""
    if pq.read_metadata(parquet).row_group(0).num_rows <= ROW_GROUP:
        return
    part = parquet.with_suffix(".part")
    whole = pq.ParquetFile(parquet)
    with pq.ParquetWriter(part, whole.schema_arrow, compression="zstd", store_decimal_as_integer=True) as writer:
        for batch in whole.iter_batches(ROW_GROUP):
            writer.write_batch(batch, row_group_size=ROW_GROUP)
    part.rename(parquet)


def first_currency(parquet: Path) -> str:
    file = pq.ParquetFile(parquet)
    if "currency" not in file.schema_arrow.names:
        return "EUR"
    values = file.read_row_group(0, columns=["currency"])["currency"].drop_null()
    return str(values[0]) if len(values) else "EUR"


def latest(parquet: Path) -> datetime:
    """The last sale, from the statistics of the file's footer."""
    metadata = pq.read_metadata(parquet)
    column = metadata.schema.names.index("occurred_at")
    groups = (metadata.row_group(number).column(column).statistics for number in range(metadata.num_row_groups))
    last = max(group.max for group in groups)
    return last if last.tzinfo else last.replace(tzinfo=timezone.utc)
