"""Made-up customers for the learners: the same for the same number of rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

COLUMNS = 20
TEST_ROWS = 50_000
SKEWED = [0, 1, 2, 6]


@dataclass(frozen=True)
class Files:
    """Row-major little-endian f32 values, and a byte per outcome."""

    values: Path
    target: Path
    test: Path
    test_target: Path


def files(directory: Path, standard: bool) -> Files:
    """The columns as they are for trees, or standardised for k-means and logistic regression."""
    values = "standard.f32" if standard else "values.f32"
    return Files(*(directory / name for name in (values, "target.u8", "test.f32", "test_target.u8")))


def write(directory: Path, rows: int) -> None:
    """Writes all files; the test rows are fresh ones."""
    directory.mkdir(parents=True, exist_ok=True)
    values, target = customers(rows, 1)
    values.tofile(directory / "values.f32")
    target.tofile(directory / "target.u8")
    standardised(values).tofile(directory / "standard.f32")
    values, target = customers(TEST_ROWS, 2)
    values.tofile(directory / "test.f32")
    target.tofile(directory / "test_target.u8")


def customers(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns as a shop has them, and churn that depends on some of them together."""
    random = np.random.default_rng(seed)
    x = np.zeros((rows, COLUMNS), dtype="<f4")
    x[:, 0] = random.exponential(60, rows)  # days since the last order
    x[:, 1] = random.poisson(random.gamma(1.2, 4, rows))  # orders
    x[:, 2] = random.lognormal(4, 1, rows)  # spend
    x[:, 3] = random.beta(2, 5, rows)  # shares
    x[:, 4] = random.beta(1, 8, rows)
    x[:, 5] = random.integers(0, 24, rows)  # hour
    x[:, 6] = random.gamma(2, 10, rows)  # days between orders
    for column in range(7, 13):
        x[:, column] = random.normal(0, 1, rows)  # trends
    group = random.integers(0, 7, rows)
    for column in range(13, 20):
        x[:, column] = group == column - 13
    log_odds = (
        -2.6 + 0.012 * x[:, 0] - 0.15 * np.minimum(x[:, 1], 12) + 1.5 * x[:, 3]
        + 0.8 * (x[:, 7] > 0) * (x[:, 0] > 40) + 0.5 * x[:, 13] * x[:, 8] - 0.2 * np.log(x[:, 2])
        + 0.4 * np.sin(2 * x[:, 9]) + 0.02 * x[:, 6]
    )
    return x, (random.random(rows) < 1 / (1 + np.exp(-log_odds))).astype(np.uint8)


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, after the logarithm where a column has a long tail."""
    values = values.astype(np.float64)
    values[:, SKEWED] = np.log1p(values[:, SKEWED])
    return ((values - values.mean(0)) / values.std(0)).astype("<f4")
