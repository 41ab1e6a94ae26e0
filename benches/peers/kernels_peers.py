"""Times one fit of a peer, in a process of its own that imports nobody else; see kernels.py."""

from __future__ import annotations

import argparse
import ctypes
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

import numpy as np
from threadpoolctl import threadpool_limits

from kernels_data import COLUMNS, files

BINS = 255
WARM_UP_ROWS = 1_000
BAG = 0.632
"""Share of the rows that a bootstrap of all rows draws."""
SEED = 1
LEAST = 0.001
"""Probabilities are held this far from 0 and 1: otherwise the few pure leaves of a single tree decide its quality."""


@dataclass(frozen=True)
class Work:
    """What a peer is given."""

    values: np.ndarray
    target: np.ndarray
    settings: dict[str, float]
    threads: int

    def integer(self, name: str) -> int:
        return int(self.settings[name])


@dataclass(frozen=True)
class Fit:
    """What is timed, and what comes out of the model afterwards: centres, a gradient's parts, or
    probabilities of rows."""

    fit: Callable[[], Any]
    answers: Callable[..., Any]


def kmeans_scikit_learn(work: Work) -> Fit:
    from sklearn.cluster import KMeans

    clusters = work.integer("clusters")
    model = KMeans(clusters, init=work.values[:clusters].copy(), n_init=1, max_iter=work.integer("iterations"), tol=0,
                   algorithm="lloyd")
    return Fit(lambda: model.fit(work.values), lambda fitted: fitted.cluster_centers_)


def logistic_scikit_learn(work: Work, solver: str, kind: type) -> Fit:
    from sklearn.linear_model import LogisticRegression

    values = work.values.astype(kind)
    model = LogisticRegression(C=1 / work.settings["l2"], tol=work.settings["tolerance"], max_iter=1000, solver=solver)
    return Fit(lambda: model.fit(values, work.target),
               lambda fitted: (fitted.coef_[0].astype(float), float(fitted.intercept_[0])))


def tree_scikit_learn(work: Work) -> Fit:
    from sklearn.tree import DecisionTreeClassifier

    model = DecisionTreeClassifier(max_depth=work.integer("depth"), min_samples_leaf=work.integer("min-rows"),
                                   random_state=SEED)
    return Fit(lambda: model.fit(work.values, work.target), lambda fitted, rows: fitted.predict_proba(rows)[:, 1])


def forest_scikit_learn(work: Work) -> Fit:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(work.integer("trees"), max_depth=work.integer("depth"),
                                   min_samples_leaf=work.integer("min-rows"), n_jobs=work.threads, random_state=SEED,
                                   max_features=work.integer("columns-per-split"))
    return Fit(lambda: model.fit(work.values, work.target), lambda fitted, rows: fitted.predict_proba(rows)[:, 1])


def boosting_scikit_learn(work: Work) -> Fit:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=work.integer("trees"), max_leaf_nodes=work.integer("leaves"), learning_rate=work.settings["rate"],
        min_samples_leaf=work.integer("min-rows"), max_bins=BINS, early_stopping=False, random_state=SEED)
    return Fit(lambda: model.fit(work.values, work.target), lambda fitted, rows: fitted.predict_proba(rows)[:, 1])


def lightgbm(work: Work, trees: int, settings: dict[str, Any]) -> Fit:
    import lightgbm as library

    shared = {"num_threads": work.threads, "max_bin": BINS, "verbose": -1, "seed": SEED,
              "min_data_in_leaf": work.integer("min-rows")}
    given = shared | settings
    # Binning belongs to the fit.
    return Fit(lambda: library.train(given, library.Dataset(work.values, work.target, params=given), trees),
               lambda fitted, rows: fitted.predict(rows, num_threads=work.threads))


def xgboost(work: Work, trees: int, settings: dict[str, Any]) -> Fit:
    import xgboost as library

    shared = {"tree_method": "hist", "nthread": work.threads, "max_bin": BINS, "reg_lambda": 0,
              "min_child_weight": work.integer("min-rows"), "seed": SEED}

    def fit() -> library.Booster:
        matrix = library.QuantileDMatrix(work.values, work.target, max_bin=BINS, nthread=work.threads)
        return library.train(shared | settings, matrix, trees)

    return Fit(fit, lambda fitted, rows: fitted.inplace_predict(rows))


# One tree or a forest by a boosting library: the squared error of 0 and 1 is what Gini's impurity
# measures, and its leaves hold shares of events. A step for the log-loss would end short of them.


def tree_lightgbm(work: Work) -> Fit:
    depth = work.integer("depth")
    return lightgbm(work, 1, {"objective": "regression", "learning_rate": 1.0, "max_depth": depth,
                              "num_leaves": 2**depth})


def forest_lightgbm(work: Work) -> Fit:
    depth = work.integer("depth")
    return lightgbm(work, work.integer("trees"), {
        "objective": "regression", "boosting": "rf", "max_depth": depth, "num_leaves": 2**depth,
        "bagging_fraction": BAG, "bagging_freq": 1,
        "feature_fraction_bynode": work.integer("columns-per-split") / COLUMNS})


def boosting_lightgbm(work: Work) -> Fit:
    return lightgbm(work, work.integer("trees"), {
        "objective": "binary", "learning_rate": work.settings["rate"], "num_leaves": work.integer("leaves")})


def tree_xgboost(work: Work) -> Fit:
    return xgboost(work, 1, {"objective": "reg:squarederror", "learning_rate": 1.0,
                             "max_depth": work.integer("depth")})


def forest_xgboost(work: Work) -> Fit:
    return xgboost(work, 1, {
        "objective": "reg:squarederror", "learning_rate": 1.0, "max_depth": work.integer("depth"),
        "num_parallel_tree": work.integer("trees"), "subsample": BAG,
        "colsample_bynode": work.integer("columns-per-split") / COLUMNS})


def boosting_xgboost(work: Work) -> Fit:
    # Its leaves are limited by the sum of Hessians, of which a row has this much before the first tree.
    events = float(work.target.mean())
    return xgboost(work, work.integer("trees"), {
        "objective": "binary:logistic", "learning_rate": work.settings["rate"], "grow_policy": "lossguide",
        "max_depth": 0, "max_leaves": work.integer("leaves"),
        "min_child_weight": work.integer("min-rows") * events * (1 - events)})


FITS: dict[tuple[str, str], Callable[[Work], Fit]] = {
    ("kmeans", "scikit-learn"): kmeans_scikit_learn,
    ("logistic", "scikit-learn-lbfgs"): lambda work: logistic_scikit_learn(work, "lbfgs", np.float64),
    ("logistic", "scikit-learn-lbfgs-f32"): lambda work: logistic_scikit_learn(work, "lbfgs", np.float32),
    ("logistic", "scikit-learn-newton-cholesky"):
        lambda work: logistic_scikit_learn(work, "newton-cholesky", np.float64),
    ("tree", "scikit-learn"): tree_scikit_learn,
    ("tree", "lightgbm"): tree_lightgbm,
    ("tree", "xgboost"): tree_xgboost,
    ("forest", "scikit-learn"): forest_scikit_learn,
    ("forest", "lightgbm"): forest_lightgbm,
    ("forest", "xgboost"): forest_xgboost,
    ("boosting", "scikit-learn"): boosting_scikit_learn,
    ("boosting", "lightgbm"): boosting_lightgbm,
    ("boosting", "xgboost"): boosting_xgboost,
}


def quality(learner: str, work: Work, answers: Callable[..., Any], directory: Path) -> float:
    """The same as the program in Rust tells."""
    if learner == "kmeans":
        return inertia(work.values, answers())
    if learner == "logistic":
        return gradient(work, *answers())
    found = files(directory, standard=False)
    rows, target = np.fromfile(found.test, "<f4").reshape(-1, COLUMNS), np.fromfile(found.test_target, np.uint8)
    events = np.clip(answers(rows).astype(float), LEAST, 1 - LEAST)
    return float(-np.log(np.where(target == 1, events, 1 - events)).mean())


def inertia(values: np.ndarray, centres: np.ndarray) -> float:
    """Mean squared distance to the nearest centre."""
    centres, total = centres.astype(np.float64), 0.0
    for part in np.array_split(values, len(values) // 10_000 + 1):
        part = part.astype(np.float64)
        nearest = ((centres**2).sum(1) - 2 * part @ centres.T).argmin(1)
        total += ((part - centres[nearest]) ** 2).sum()
    return total / len(values)


def gradient(work: Work, slopes: np.ndarray, intercept: float) -> float:
    """Largest component of the gradient of loss and penalty, per row."""
    values = work.values.astype(np.float64)
    residual = 1 / (1 + np.exp(-(values @ slopes + intercept))) - work.target
    parts = np.append(values.T @ residual + work.settings["l2"] * slopes, residual.sum())
    return float(np.abs(parts).max() / len(work.target))


def memory_mib(name: str) -> float:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


def forget_peak() -> None:
    """Without the permission the peak of reading counts too. What was freed before is given back first: it would
    serve the work unseen."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        pass
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("learner")
    parser.add_argument("peer")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args, rest = parser.parse_known_args()
    settings = {name.removeprefix("--"): float(value) for name, value in zip(rest[::2], rest[1::2])}
    warnings.filterwarnings("ignore")
    found = files(args.directory, standard=args.learner in ("kmeans", "logistic"))
    values = np.fromfile(found.values, "<f4", args.rows * COLUMNS).reshape(-1, COLUMNS)
    work = Work(values, np.fromfile(found.target, np.uint8, args.rows), settings, args.threads)
    make = FITS[args.learner, args.peer]
    # What is loaded and started at the first use is not timed.
    make(replace(work, values=values[:WARM_UP_ROWS], target=work.target[:WARM_UP_ROWS])).fit()
    ready = make(work)
    # Threads of OpenBLAS spin for a while after they were started.
    time.sleep(0.2)
    with threadpool_limits(args.threads):
        forget_peak()
        before, used, started = memory_mib("VmRSS:"), time.process_time(), time.perf_counter()
        fitted = ready.fit()
        seconds, used = time.perf_counter() - started, time.process_time() - used
        mib = memory_mib("VmHWM:") - before
    measured = quality(args.learner, work, lambda *rows: ready.answers(fitted, *rows), args.directory)
    print(f"seconds={seconds:.6f} cpu_seconds={used:.6f} peak_mib={mib:.2f} quality={measured:.8e}")


if __name__ == "__main__":
    main()
