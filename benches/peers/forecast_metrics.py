"""Accuracy as the M4 competition defines it (Makridakis, Spiliotis and Assimakopoulos, 2020)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Series:
    """One series, cut where the forecast begins."""

    past: np.ndarray
    coming: np.ndarray


@dataclass(frozen=True)
class Forecasts:
    """Of all series: arrays of series by period; bounds by level in percent."""

    mean: np.ndarray
    lower: dict[int, np.ndarray]
    upper: dict[int, np.ndarray]


def scale(past: np.ndarray, season: int) -> float:
    """Mean absolute error of the seasonal naive forecast in the past."""
    return float(np.abs(past[season:] - past[:-season]).mean())


def smape(actual: np.ndarray, forecast: np.ndarray) -> float:
    size = np.abs(actual) + np.abs(forecast)
    return float(np.mean(200 * np.abs(actual - forecast) / np.where(size > 0, size, 1)))


def is_seasonal(past: np.ndarray, season: int) -> bool:
    """M4's test at 90 %."""
    if season < 2 or len(past) < 3 * season:
        return False
    centred = past - past.mean()
    variance = centred @ centred
    correlations = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / variance
    error = np.sqrt((1 + 2 * np.sum(correlations[:-1] ** 2)) / len(past))
    return bool(abs(correlations[-1]) > 1.645 * error)


def naive2(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """The competition's benchmark: the last value, with classical multiplicative indices if it is seasonal."""
    if not is_seasonal(past, season):
        return np.repeat(past[-1], horizon)
    half = season // 2
    weights = np.ones(2 * half + 1)
    if season % 2 == 0:
        weights[[0, -1]] = 0.5
    trend = np.convolve(past, weights / season, mode="valid")
    ratios = past[half:half + len(trend)] / trend
    positions = np.arange(half, half + len(trend)) % season
    indices = np.array([ratios[positions == position].mean() for position in range(season)])
    indices /= indices.mean()
    level = past[-1] / indices[(len(past) - 1) % season]
    return level * indices[np.arange(len(past), len(past) + horizon) % season]


def score(series: list[Series], forecasts: Forecasts, season: int) -> dict[str, float]:
    """OWA, MASE, sMAPE, and of the intervals MSIS at 95 % and the coverage at both levels."""
    horizon = forecasts.mean.shape[1]
    scales = np.array([scale(one.past, season) for one in series])
    actual = np.array([one.coming for one in series])
    benchmark = np.array([naive2(one.past, season, horizon) for one in series])

    def both(mean: np.ndarray) -> tuple[float, float]:
        return (float(np.mean([smape(a, f) for a, f in zip(actual, mean)])),
                float(np.mean(np.abs(actual - mean).mean(axis=1) / scales)))

    own, naive = both(forecasts.mean), both(benchmark)
    found = {"owa": (own[0] / naive[0] + own[1] / naive[1]) / 2, "mase": own[1], "smape": own[0]}
    for level in (80, 95):
        low, high = forecasts.lower[level], forecasts.upper[level]
        found[f"coverage_{level}"] = float(np.mean((low <= actual) & (actual <= high)))
        if level == 95:
            missed = np.maximum(low - actual, 0) + np.maximum(actual - high, 0)
            found["msis"] = float(np.mean((high - low + 40 * missed).mean(axis=1) / scales))
    return found | {"naive2_smape": naive[0], "naive2_mase": naive[1]}
