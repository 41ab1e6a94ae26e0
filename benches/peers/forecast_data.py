"""The series of the public sets, as `compare.py forecast` takes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from forecast_metrics import Series


@dataclass(frozen=True)
class Set:
    """How a set is forecast and scored."""

    season: int
    """What Patron is told."""
    peer_season: int
    """What statsforecast is told: its models take no season of 52."""
    scored_season: int
    """Of the scaled errors, as published."""
    horizon: int


SETS = {
    "m1_monthly": Set(12, 12, 12, 18),
    "aus_retail": Set(12, 12, 12, 12),
    "m4_weekly": Set(52, 1, 1, 13),
}
"""statsforecast gets no season of m4_weekly: with 52 its searches take hours."""


def series(name: str, folder: Path, earlier: bool) -> list[Series]:
    """All series of a set; with `earlier` the last horizon of the past is forecast instead."""
    horizon = SETS[name].horizon
    pairs = {"m1_monthly": m1_monthly, "aus_retail": aus_retail, "m4_weekly": m4_weekly}[name](folder)
    if earlier:
        pairs = [(past[:-horizon], past[-horizon:]) for past, _ in pairs]
    longest = SETS[name].scored_season
    return [Series(past, coming) for past, coming in pairs if len(past) > longest]


def m1_monthly(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    known = pl.read_parquet(folder / "m1" / "series.parquet").filter(pl.col("period").str.to_uppercase() == "MONTHLY")
    values = pl.read_parquet(folder / "m1" / "values.parquet")
    return split(values.rename({"sn": "id"}), known["sn"].to_list())


def m4_weekly(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    values = pl.read_parquet(folder / "m4_weekly" / "m4_weekly.parquet")
    return split(values, sorted(values["id"].unique().to_list(), key=lambda name: int(name[1:])))


def split(values: pl.DataFrame, names: list[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = values.sort("t").partition_by("id", "split", as_dict=True)
    last = "test" if (names[0], "test") in parts else "xx"
    first = next(part for _, part in parts if part != last)
    return [(parts[name, first]["value"].to_numpy(), parts[name, last]["value"].to_numpy()) for name in names]


def aus_retail(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """The last twelve months of every series are forecast."""
    values = pl.read_parquet(folder / "aus_retail" / "aus_retail.parquet").sort("Month")
    whole = [part["Turnover"].to_numpy() for part in values.partition_by("Series ID", maintain_order=True)]
    return [(one[:-12], one[-12:]) for one in whole]
