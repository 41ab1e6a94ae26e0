"""The logistic regression that every peer serves, from a file of coefficients."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression


@dataclass(frozen=True)
class Coefficients:
    slopes: list[float]
    intercept: float

    @staticmethod
    def read(path: Path) -> Coefficients:
        told = json.loads(path.read_text())
        return Coefficients(told["slopes"], told["intercept"])

    def write(self, path: Path) -> None:
        path.write_text(json.dumps({"slopes": self.slopes, "intercept": self.intercept}))

    def estimator(self) -> LogisticRegression:
        """As scikit-learn would have fitted it."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        fitted = LogisticRegression()
        fitted.classes_ = np.array([0, 1])
        fitted.coef_ = np.array([self.slopes])
        fitted.intercept_ = np.array([self.intercept])
        fitted.n_features_in_ = len(self.slopes)
        return fitted


def arguments(about: str | None) -> argparse.Namespace:
    """What each peer is started with."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--model", type=Path, required=True, help="file of coefficients")
    parser.add_argument("--port", type=int, required=True, help="free port of the loopback address")
    parser.add_argument("--place", type=Path, required=True, help="directory for files of one's own")
    return parser.parse_args()
