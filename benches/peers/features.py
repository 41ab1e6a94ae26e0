"""`compare.py features`: the feature pass of Patron, DuckDB and Polars over the same lines."""

from __future__ import annotations

import shutil
import sys
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

import reference
import wild
from environment import PEERS, THREADS, WORK, patron
from measure import Failed, Runs, load_note, run, shown
from schema import FEATURES, Schema, instant, local_day, offsets
from server import Server
from sources import Source, simulated

PEER_NAMES = ("duckdb", "polars")
TRIAL_LINES = 2_000_000
WILD_LINES = 20_000
WILD_DATES = ["2023-02-01", "2023-07-01", "2024-03-31T01:30:00Z", "2024-11-01", "2025-06-01"]
RELATIVE, ABSOLUTE = 1e-5, 1e-4


@dataclass(frozen=True)
class Task:
    """Features of some lines at some dates by one schema."""

    source: Source
    schema: Path
    as_ofs: list[str]
    outputs: Path
    data_directory: Path | None = None

    def output(self, name: str) -> Path:
        return self.outputs / f"{name}.parquet"

    def dates(self) -> list[str]:
        return [part for as_of in self.as_ofs for part in ("--as-of", as_of)]

    def command(self, name: str, strategy: str = "loop") -> list[str | Path]:
        shared = [*self.dates(), "--schema", self.schema, "--output", self.output(name)]
        if name == "patron":
            lines = ["--parquet", self.source.parquet, "--mapping", self.source.mapping]
            if self.data_directory:
                lines = ["--data-directory", self.data_directory]
            lines += ["--time-zone", self.source.time_zone, "--currency", self.source.currency]
            return [patron(), "features", "export", *lines, "--threads", str(THREADS), *shared]
        program = PEERS / f"features_{name}.py"
        return [sys.executable, program, "--parquet", self.source.parquet, "--strategy", strategy, *shared]


def main(args: Namespace) -> int:
    if args.check:
        return check()
    source = Source.at(args.data) if args.data else simulated(args.lines)
    stores = [None]
    if "store" in args.sources:
        stores.append(imported(source))
    status = 0
    for count in args.as_ofs:
        for store in stores if "parquet" in args.sources else stores[1:]:
            as_ofs = source.month_starts(count)
            outputs = WORK / "features"
            outputs.mkdir(parents=True, exist_ok=True)
            schema = outputs / "schema.json"
            fit(source, as_ofs[-1]).write(schema)
            status |= compare(Task(source, schema, as_ofs, outputs, store), args.rounds)
    return status


def compare(task: Task, rounds: int) -> int:
    """Runs everyone in turn and prints a line per peer; 1 when values differ."""
    note = load_note()
    strategies = {name: faster(task, name) for name in PEER_NAMES}
    found = {name: Runs() for name in ("patron", *PEER_NAMES)}
    for number in range(rounds):
        for name in list(found)[:: 1 if number % 2 == 0 else -1]:
            task.output(name).unlink(missing_ok=True)
            found[name].runs.append(run(task.command(name, strategies.get(name, ""))))
    ours = found["patron"]
    source = "store" if task.data_directory else "parquet"
    differs = 0
    for name in PEER_NAMES:
        peer = found[name]
        print(f"features as_ofs={len(task.as_ofs)} source={source} peer={name} ours_s={shown(ours.seconds)} "
              f"peer_s={shown(peer.seconds)} ratio={shown(peer.seconds / ours.seconds)} ours_mib={ours.mib:.0f} "
              f"peer_mib={peer.mib:.0f} lines={task.source.lines} rounds={rounds}")
        print(f"  ours_s={ours.span()} peer_s={peer.span()} ours_cpu_s={shown(ours.cpu_seconds)} "
              f"peer_cpu_s={shown(peer.cpu_seconds)} strategy={strategies[name]} {note}", flush=True)
        differs |= report_difference("patron", task.output("patron"), name, task.output(name))
    return differs


def faster(task: Task, name: str) -> str:
    """The peer's faster way to ask for these dates. Joined with a list of dates the lines take
    memory for every date, so above some size it is not tried."""
    if len(task.as_ofs) == 1 or task.source.lines > TRIAL_LINES:
        return "loop"
    return min(("loop", "join"), key=lambda strategy: run(task.command(name, strategy)).seconds)


def imported(source: Source) -> Path:
    """A data directory that holds the lines, made anew for another file or another build."""
    directory = WORK / "store" / f"lines-{source.lines}"
    marker = directory / "imported"
    made_of = " ".join(f"{path} {path.stat().st_mtime_ns}" for path in (source.parquet.resolve(), patron()))
    if not marker.exists() or marker.read_text() != made_of:
        shutil.rmtree(directory, ignore_errors=True)
        with Server(directory / "data", source) as server:
            server.import_file()
        marker.write_text(made_of)
    return directory / "data"


def fit(source: Source, as_of: str) -> Schema:
    """The schema that everyone gets: top categories by gross spend before the earliest date, over
    the lines as they stand in the end. Not part of any measured time."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {THREADS}; SET TimeZone = 'UTC'")
    end = local_day(instant(as_of), source.time_zone)
    (_, shift), *changes = offsets(source.time_zone, instant(as_of) - 3 * 366 * 86_400_000_000, instant(as_of))
    wall = f"epoch_us(occurred_at) + {shift}"
    for at, micros in changes:
        wall = f"if(epoch_us(occurred_at) >= {at}, epoch_us(occurred_at) + {micros}, {wall})"
    connection.execute(f"""
        CREATE TEMP TABLE sale AS
        SELECT nullif(split_part(category, '/', 1), '') AS category, product_id AS product,
               round(quantity::DOUBLE * unit_price::DOUBLE * 1e6)
               - round(coalesce(discount::DOUBLE, 0) * 1e6) AS amount
        FROM (FROM read_parquet('{source.parquet}', file_row_number = true)
              QUALIFY order_id IS NULL OR line_number IS NULL OR row_number() OVER (
                PARTITION BY order_id, line_number ORDER BY file_row_number DESC) = 1)
        WHERE quantity > 0 AND ({wall}) // 86400000000 < {end}""")

    def top(attribute: str) -> list[str]:
        rows = connection.execute(
            f"SELECT {attribute}, sum(amount) AS spend FROM sale WHERE {attribute} IS NOT NULL "
            f"GROUP BY ALL HAVING spend > 0 ORDER BY spend DESC, {attribute} LIMIT 5").fetchall()
        return [value for value, _ in rows]

    categories = top("category")
    attribute = "category" if categories else "product"
    return Schema(1, source.time_zone, attribute, categories or top("product"))


def report_difference(name: str, ours: Path, other: str, theirs: Path) -> int:
    """Prints the first value in which two outputs differ; 1 if there is one."""
    keys = ["as_of", "customer_id"]
    frames = [pl.read_parquet(path).with_columns(pl.col("customer_id").cast(pl.String), pl.col("as_of").dt.epoch("us"))
              for path in (ours, theirs)]
    left, right = (frame.sort(keys) for frame in frames)
    if not left.select(keys).equals(right.select(keys)):
        for some, one, rest, two in ((left, name, right, other), (right, other, left, name)):
            alone = some.join(rest, on=keys, how="anti")
            if alone.height:
                print(f"differs: customer={alone['customer_id'][0]} as_of={alone['as_of'][0]} in {one}, not in {two}")
        return 1
    for feature in FEATURES:
        one, two = left[feature].to_numpy(), right[feature].to_numpy()
        wrong = ~(np.abs(one - two) <= ABSOLUTE + RELATIVE * np.abs(one))
        if wrong.any():
            row = int(np.argmax(wrong))
            print(f"differs: customer={left['customer_id'][row]} as_of={left['as_of'][row]} feature={feature} "
                  f"{name}={one[row]} {other}={two[row]} rows={int(wrong.sum())}")
            return 1
    return 0


def check() -> int:
    """Everyone against the slow reference, on lines with every case there is."""
    source = Source.at(wild.write(WORK / "wild", WILD_LINES).parent)
    zone = reference.ZoneInfo(source.time_zone)
    versions = reference.read(source.parquet, zone)
    fitted = fit(source, WILD_DATES[0])
    expected = reference.top_values(versions, instant(WILD_DATES[0]), zone)
    status = int((fitted.top_attribute, fitted.top_values) != expected)
    print(f"check schema {'differs' if status else 'equal'}")
    for schema in (fitted, Schema(1, source.time_zone, "product", ["P1", "P7", "no such product"])):
        outputs = WORK / "wild" / f"by-{schema.top_attribute}"
        outputs.mkdir(exist_ok=True)
        schema.write(outputs / "schema.json")
        task = Task(source, outputs / "schema.json", WILD_DATES, outputs)
        write_reference(versions, schema, task.output("reference"))
        everyone = [(name, strategy) for name in PEER_NAMES for strategy in ("join", "loop")] + [("patron", "")]
        for name, strategy in everyone:
            task.output(name).unlink(missing_ok=True)
            try:
                run(task.command(name, strategy))
            except Failed as error:
                print(f"check top={schema.top_attribute} {name} {strategy} failed: {error}")
                status = 1
                continue
            differs = report_difference("reference", task.output("reference"), name, task.output(name))
            print(f"check top={schema.top_attribute} {name} {strategy} {'differs' if differs else 'equal'}")
            status |= differs
    return status


def write_reference(versions: list[reference.Version], schema: Schema, path: Path) -> None:
    rows = [(customer, instant(as_of), *vector) for as_of in WILD_DATES
            for customer, vector in reference.features(versions, instant(as_of), schema).items()]
    types = {"customer_id": pl.String, "as_of": pl.Datetime("us", "UTC")} | dict.fromkeys(FEATURES, pl.Float32)
    columns = dict(zip(types, zip(*rows)))
    columns["as_of"] = pl.Series(columns["as_of"], dtype=pl.Int64).cast(types["as_of"])
    pl.DataFrame(columns, schema=types).write_parquet(path)
