"""`compare.py forecast`: Patron's forecasts and those of statsforecast on the same series."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

from environment import PEERS, THREADS, WORK, Unavailable, forecasts
from forecast_data import SETS, Set, series
from forecast_metrics import Forecasts, score
from measure import Runs, load_note, run, shown

WHO = ["patron:ensemble", "statsforecast:mean", "statsforecast:autoets", "patron:ets", "statsforecast:dot", "patron:theta"]
REFERENCES = {"patron:ensemble": "statsforecast:autoets", "patron:ets": "statsforecast:autoets",
              "patron:theta": "statsforecast:dot"}
"""Whose series per second Patron's are divided by."""
PUBLISHED = {"m4_weekly": (9.161, 2.777)}
"""sMAPE and MASE of Naive2 in the competition's own table: what the measures are checked against."""


def main(args: Namespace) -> int:
    if not args.series.is_dir():
        raise Unavailable(f"{args.series} is not there: a directory with m1/, aus_retail/ and m4_weekly/")
    program = args.program.resolve() if args.program else forecasts()
    for name in args.sets:
        compare(name, SETS[name], args, program)
    return 0


def compare(name: str, chosen: Set, args: Namespace, program: Path) -> None:
    known = series(name, args.series, args.earlier)
    known = known[:args.limit] if args.limit else known
    folder = WORK / "forecast"
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"{name}.txt"
    data.write_text("".join(",".join(map(repr, map(float, one.past))) + "\n" for one in known))
    note = load_note()
    runs = {who: Runs() for who in WHO}
    for _ in range(args.rounds):
        for who in WHO:
            side, method = who.split(":")
            season = chosen.season if side == "patron" else chosen.peer_season
            words = ["--data", data, "--output", folder / f"{name}-{side}-{method}.txt", "--horizon",
                     str(chosen.horizon), "--season-length", str(season), "--threads", str(THREADS), "--method", method]
            command = [program] if side == "patron" else [sys.executable, PEERS / "forecast_peers.py"]
            runs[who].runs.append(run([*command, *words]))
    print(f"forecast set={name} series={len(known)} horizon={chosen.horizon} rounds={args.rounds} {note}")
    rates = {who: len(known) / runs[who].seconds for who in WHO}
    for who in WHO:
        found = score(known, read(folder / f"{name}-{who.replace(':', '-')}.txt", chosen.horizon), chosen.scored_season)
        ratio = f" ratio={shown(rates[who] / rates[REFERENCES[who]])}" if who in REFERENCES else ""
        print(f"  {who:22} owa={found['owa']:.4f} mase={found['mase']:.4f} smape={found['smape']:.3f} "
              f"msis={found['msis']:.3f} coverage_80={found['coverage_80']:.3f} coverage_95={found['coverage_95']:.3f} "
              f"series_per_s={shown(rates[who])}{ratio}")
    if name in PUBLISHED and not args.earlier and not args.limit:
        check(PUBLISHED[name], (found["naive2_smape"], found["naive2_mase"]))


def check(published: tuple[float, float], found: tuple[float, float]) -> None:
    same = all(abs(one - other) < 5e-4 for one, other in zip(published, found))
    print(f"  Naive2: smape={found[0]:.3f} mase={found[1]:.3f}, "
          f"{'as' if same else 'NOT as'} published ({published[0]}, {published[1]})")


def read(path: Path, horizon: int) -> Forecasts:
    values = np.loadtxt(path, delimiter=",", ndmin=2)
    mean, low_80, high_80, low_95, high_95 = np.split(values, np.arange(1, 5) * horizon, axis=1)
    return Forecasts(mean, {80: low_80, 95: low_95}, {80: high_80, 95: high_95})
