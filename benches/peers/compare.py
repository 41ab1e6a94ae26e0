#!/usr/bin/env python3
"""Compares Patron with what one would use instead, side by side in one run. See README.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import environment

LEARNERS = {
    "kmeans": "scikit-learn and linfa",
    "logistic": "scikit-learn and linfa",
    "tree": "scikit-learn, LightGBM, XGBoost and linfa",
    "forest": "scikit-learn, LightGBM, XGBoost and smartcore",
    "boosting": "scikit-learn, LightGBM and XGBoost",
}
SERVERS = ("mlserver", "fastapi", "bentoml", "onnxruntime")

FORECAST_SETS = ["m1_monthly", "aus_retail", "m4_weekly"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    features = commands.add_parser("features", help="the feature pass, against DuckDB and Polars")
    features.add_argument("--as-ofs", type=numbers, default=[1, 12], help="numbers of as-of dates [1,12]")
    features.add_argument("--sources", type=words, default=["parquet", "store"],
                          help="where Patron reads [parquet,store]")
    features.add_argument("--check", action="store_true", help="only compare everyone's values with a slow reference")
    ingest = commands.add_parser("ingest", help="taking lines in, against SQLite, DuckDB and PostgreSQL")
    ingest.add_argument("--load-command", help="a program that streams the lines in and prints lines_per_s=; "
                        "{endpoint}, {parquet}, {mapping} and {lines} are replaced [a client in Python]")
    lookup = commands.add_parser("lookup", help="one customer, against SQLite and DuckDB")
    lookup.add_argument("--lookups", type=int, default=5000, help="random customers [5000]")
    lookup.add_argument("--seconds", type=float, default=60, help="stop a reader after this long [60]")
    lookup.add_argument("--in-process-command", help="a program that prints p50_us= and p99_us= of lookups without "
                        "a network; {data_directory} is replaced")
    serving = commands.add_parser("serving", help="answers per second, against MLServer, FastAPI, BentoML, onnxruntime "
                                  "and a bare tonic server")
    serving.add_argument("--peers", type=peers, default=list(SERVERS), help=f"which [{','.join(SERVERS)}]")
    serving.add_argument("--lines", type=int, default=100_000, help="lines to simulate for customers and forecasts "
                         "[100000]")
    serving.add_argument("--seconds", type=float, default=5, help="of each case in each round [5]")
    serving.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts [3]")
    serving.add_argument("--quick", action="store_true", help="one short round, about two minutes")
    serving.set_defaults(module="serving_comparison")
    steady = commands.add_parser("steady", help="one-vector calls beside training, scoring, swaps, a noisy neighbour "
                                 "and traces, and the first call after a start")
    steady.add_argument("--cases", type=lambda text: text.split(","), default=[],
                        help="some of training, scoring, swaps, each also with -idle, neighbour, traces, start [all]")
    steady.add_argument("--lines", type=int, default=100_000, help="lines to simulate [100000]")
    steady.add_argument("--seconds", type=float, default=5, help="of each run [5]")
    steady.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts [5]")
    for name, others in LEARNERS.items():
        learner = commands.add_parser(name, help=f"fitting, against {others}")
        learner.add_argument("--rows", type=numbers, default=[10_000, 100_000, 1_000_000],
                             help="numbers of rows [10000,100000,1000000]")
        learner.add_argument("--threads", type=numbers, default=[1, 2], help="numbers of threads [1,2]")
        learner.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts [5]")
        learner.add_argument("--limit", type=int, default=120, help="CPU seconds per thread after which a run of a "
                             "peer is ended and the peer left out from then on [120]")
        learner.add_argument("--program", type=Path, help="the program that times Patron's learners "
                             "[target/release/examples/kernels]")
        learner.set_defaults(module="kernels")
    forecast = commands.add_parser("forecast", help="forecasts, against statsforecast")
    forecast.add_argument("--set", dest="sets", type=sets, default=FORECAST_SETS,
                          help=f"public sets of series [{','.join(FORECAST_SETS)}]")
    forecast.add_argument("--series", type=Path, default=Path("data"), help="the directory in which the sets lie [data]")
    forecast.add_argument("--earlier", action="store_true", help="hold out the last horizon of the past instead")
    forecast.add_argument("--limit", type=int, help="only so many series of each set")
    forecast.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts [3]")
    forecast.add_argument("--program", type=Path, help="the program that forecasts "
                          "[target/release/examples/forecasts]")
    scoring = commands.add_parser("scoring", help="all customers by three models, against DuckDB, pandas and "
                                  "scikit-learn")
    for command in (features, ingest, lookup, scoring):
        command.add_argument("--lines", type=int, default=1_000_000, help="lines to simulate [1000000]")
        command.add_argument("--data", type=Path, help="a directory with transactions.parquet and mapping.toml instead")
        command.add_argument("--rounds", type=int, default=3, help="rounds, of which the median counts [3]")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def peers(text: str) -> list[str]:
    found = [name for name in text.split(",") if name]
    if not set(found) <= set(SERVERS):
        raise argparse.ArgumentTypeError(f"expected names of {', '.join(SERVERS)}")
    return found


def words(text: str) -> list[str]:
    found = text.split(",")
    if not set(found) <= {"parquet", "store"}:
        raise argparse.ArgumentTypeError("expected parquet, store or both")
    return found


def sets(text: str) -> list[str]:
    found = text.split(",")
    if not set(found) <= set(FORECAST_SETS):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(FORECAST_SETS)}")
    return found


def main() -> int:
    args = arguments()
    environment.enter()
    from importlib import import_module

    from measure import Failed

    try:
        return import_module(getattr(args, "module", args.command)).main(args)
    except (environment.Unavailable, Failed) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
