"""Scores all customers the way a notebook does: features by DuckDB, a frame, three models of scikit-learn."""

from __future__ import annotations

import argparse
import pickle
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from features_duckdb import run as write_features
from schema import FEATURES, Schema, instant

CLUSTERED = ["recency_days", "tenure_days", "visits", "spend", "average_order_value", "distinct_products"]
CLUSTERS = 6
SEED = 1


def signed_log(values: np.ndarray) -> np.ndarray:
    """Amounts have long tails, and returns make them negative."""
    return np.sign(values) * np.log1p(np.abs(values))


def features(args: argparse.Namespace, as_of: str) -> pd.DataFrame:
    """Who has bought before the date, and their features."""
    path = args.output.with_suffix(".features.parquet")
    write_features(args.parquet, Schema.read(args.schema), [instant(as_of)], "loop", args.threads, path)
    frame = pd.read_parquet(path)
    path.unlink()
    return frame[frame["visits"] > 0].reset_index(drop=True)


def bought(args: argparse.Namespace, start: str, end: str) -> set[str]:
    """Customers with a purchase between two instants."""
    rows = duckdb.connect().execute(
        f"SELECT DISTINCT customer_id::VARCHAR FROM read_parquet('{args.parquet}') WHERE quantity > 0 "
        f"AND epoch_us(occurred_at) >= {instant(start)} AND epoch_us(occurred_at) < {instant(end)}").fetchall()
    return {customer for customer, in rows}


def fit(args: argparse.Namespace) -> None:
    frame = features(args, args.before)
    later = bought(args, args.before, args.as_of)
    label = frame["customer_id"].astype(str).isin(later).to_numpy()
    values = frame[FEATURES].to_numpy(np.float32)
    logs = FunctionTransformer(signed_log)
    churn = make_pipeline(logs, StandardScaler(), LogisticRegression(max_iter=1000)).fit(values, ~label)
    propensity = HistGradientBoostingClassifier(random_state=SEED).fit(values, label)
    clustered = make_pipeline(logs, StandardScaler(), KMeans(CLUSTERS, n_init=3, random_state=SEED))
    segments = clustered.fit(frame[CLUSTERED].to_numpy(np.float32))
    args.models.write_bytes(pickle.dumps((churn, propensity, segments)))


def score(args: argparse.Namespace) -> None:
    churn, propensity, segments = pickle.loads(args.models.read_bytes())
    frame = features(args, args.as_of)
    values = frame[FEATURES].to_numpy(np.float32)
    answer = pd.DataFrame({"customer_id": frame["customer_id"].astype(str)})
    for name, model in (("churn", churn), ("propensity", propensity)):
        answer[f"{name}_probability"] = model.predict_proba(values)[:, 1]
        answer[f"{name}_percentile"] = answer[f"{name}_probability"].rank(pct=True) * 100
    answer["segment"] = segments.predict(frame[CLUSTERED].to_numpy(np.float32))
    answer.sort_values("customer_id").to_parquet(args.output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("fit", "score"))
    for name in ("parquet", "schema", "models", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--as-of", required=True)
    parser.add_argument("--before", required=True)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    started = time.perf_counter()
    {"fit": fit, "score": score}[args.step](args)
    print(f"seconds={time.perf_counter() - started:.4f}")


if __name__ == "__main__":
    main()
