"""What is served: a Patron that was filled and trained once, and its logistic regression for the peers."""

from __future__ import annotations

import csv
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from environment import ROOT, WORK, patron
from measure import Failed
from server import Server, make_stubs
from serving.model import Coefficients
from sources import Source, simulated

FEATURES = 20
ROWS = 4_000
VECTORS = 1_000
SEED = 1
MODEL = "peer"
RECIPES = ("churn", "forecast")


@dataclass(frozen=True)
class Prepared:
    """The files of a comparison."""

    place: Path
    source: Source

    @property
    def data(self) -> Path:
        """Patron's data directory; its models lie beside it."""
        return self.place / "patron" / "data"

    @property
    def coefficients(self) -> Path:
        return self.place / "coefficients.json"

    @property
    def customers(self) -> Path:
        return self.place / "customers.txt"

    @property
    def vectors(self) -> Path:
        """Rows to ask about, as 32-bit floats."""
        return self.place / "vectors.f32"

    def rows(self) -> np.ndarray:
        return np.fromfile(self.vectors, dtype="<f4").reshape(-1, FEATURES)

    def probabilities(self) -> np.ndarray:
        """What everyone has to answer."""
        told = Coefficients.read(self.coefficients)
        return 1 / (1 + np.exp(-(self.rows().astype(float) @ np.array(told.slopes) + told.intercept)))


def prepare(lines: int) -> Prepared:
    """Fills and trains a Patron, unless that was done before."""
    source = simulated(lines)
    prepared = Prepared(WORK / "serving" / f"lines-{lines}", source)
    if prepared.coefficients.exists():
        return prepared
    shutil.rmtree(prepared.place, ignore_errors=True)
    for name in RECIPES:
        recipe = prepared.data.parent / "models" / name
        recipe.mkdir(parents=True)
        shutil.copy(ROOT / "models" / name / "recipe.toml", recipe)
    random = np.random.default_rng(SEED)
    random.standard_normal((VECTORS, FEATURES)).astype("<f4").tofile(prepared.vectors)
    known = pq.read_table(source.parquet, columns=["customer_id"])["customer_id"].drop_null().unique()
    prepared.customers.write_text("\n".join(sorted(known.to_pylist())))
    table = prepared.place / "table.csv"
    write_table(table, random)
    with Server(prepared.data, source) as server:
        server.import_file()
        for name in RECIPES:
            train(server, name)
        train(server, MODEL, "--table", table, "--label", "bought", "--algorithm", "logistic-regression")
        read_coefficients(server).write(prepared.coefficients)
    return prepared


def write_table(path: Path, random: np.random.Generator) -> None:
    """Columns without long tails, which are taken as they are, and an outcome that depends on them."""
    rows = random.standard_normal((ROWS, FEATURES))
    log_odds = rows @ random.uniform(-0.8, 0.8, FEATURES) - 1
    bought = random.uniform(size=ROWS) < 1 / (1 + np.exp(-log_odds))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"x{at:02}" for at in range(FEATURES)] + ["bought"])
        for row, outcome in zip(rows, bought, strict=True):
            writer.writerow([f"{value:.6f}" for value in row] + ["yes" if outcome else "no"])


def train(server: Server, model: str, *arguments: str | Path) -> None:
    """Makes the first version the champion, good or not: only its speed is asked for."""
    for command in (["train", model, *arguments], ["models", "promote", model, "1", "--force"]):
        words = [str(part) for part in [patron(), *command, "--endpoint", server.endpoint]]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failed(f"patron {command[0]} {model}: {done.stderr[-300:]}")


def read_coefficients(server: Server) -> Coefficients:
    """The log-odds are a plane: so far it rises along each column, and so high it is at 0."""
    step = 2.0
    probes = np.concatenate([np.zeros((1, FEATURES)), step * np.eye(FEATURES), -step * np.eye(FEATURES)])
    answers = ask_patron(server.endpoint, probes.astype("<f4")).astype(float)
    log_odds = np.log(answers / (1 - answers))
    slopes = (log_odds[1:FEATURES + 1] - log_odds[FEATURES + 1:]) / (2 * step)
    return Coefficients(slopes.tolist(), float(log_odds[0]))


def ask_patron(endpoint: str, rows: np.ndarray) -> np.ndarray:
    import grpc

    make_stubs()
    from patron.v1 import common_pb2, prediction_service_pb2, prediction_service_pb2_grpc

    block = common_pb2.FeatureBlock(row_count=len(rows), f32_le=rows.tobytes())
    with grpc.insecure_channel(endpoint.removeprefix("http://")) as channel:
        predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        request = prediction_service_pb2.PredictChurnRequest(model=MODEL, features=block)
        return np.array(predictions.PredictChurn(request, timeout=10).probabilities)
