#!/usr/bin/env python3
"""Forecasts the series of a file with statsforecast: the same file and the same answer as benches/forecasts.rs."""

from __future__ import annotations

import argparse
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from statsforecast.models import AutoETS, DynamicOptimizedTheta

LEVELS = [80, 95]
MODELS = {"autoets": [AutoETS], "dot": [DynamicOptimizedTheta], "mean": [AutoETS, DynamicOptimizedTheta]}


def forecast(task: tuple[np.ndarray, list[type], int, int]) -> np.ndarray:
    """Mean and bounds, one after the other: of several models their means."""
    past, models, season, horizon = task
    answers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in models:
            try:
                found = model(season_length=season).forecast(past, h=horizon, level=LEVELS)
                keys = ["mean", *(f"{side}-{level}" for level in LEVELS for side in ("lo", "hi"))]
                answers.append(np.concatenate([found[key] for key in keys]))
            except Exception:  # noqa: BLE001 - a series that a model refuses gets the last value
                answers.append(np.repeat(past[-1], 5 * horizon))
    return np.mean(answers, axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--horizon", type=int, required=True)
    parser.add_argument("--season-length", type=int, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--method", choices=MODELS, required=True)
    args = parser.parse_args()
    series = [np.array(line.split(","), dtype=float) for line in args.data.read_text().splitlines()]
    tasks = [(past, MODELS[args.method], args.season_length, args.horizon) for past in series]
    with ProcessPoolExecutor(args.threads) as pool:
        # Everything is loaded in every process before the clock runs.
        list(pool.map(forecast, tasks[:1] * 2 * args.threads))
        start = time.perf_counter()
        answers = list(pool.map(forecast, tasks, chunksize=4))
        seconds = time.perf_counter() - start
    args.output.write_text("".join(",".join(map(repr, map(float, answer))) + "\n" for answer in answers))
    print(f"seconds={seconds:.6f} series={len(series)}")


if __name__ == "__main__":
    main()
