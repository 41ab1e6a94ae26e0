"""Models, their versions and how good they are, as DataFrames."""

from __future__ import annotations

import dataclasses
import json
import operator
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from . import _convert
from ._connection import Connection
from ._proto import common_pb2
from ._proto import model_service_pb2 as wire

Version = int | str
"""A version's number, or an alias such as ``champion``."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A version that a training made.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        The version's number.
    promoted : bool
        Whether it passed the gate and became `champion`.
    reason : str
        Why it was or was not promoted.
    metrics : pandas.DataFrame
        The figures on the last closed window beside those of what the version is compared with;
        index `metric`, columns `value`, `higher_is_better` and one per reference.
    job_id : str
        The training job.
    """

    model: str
    version: int
    promoted: bool
    reason: str
    metrics: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    job_id: str


@dataclasses.dataclass(frozen=True)
class Alias:
    """A name that points to a version.

    Attributes
    ----------
    model, alias : str
        The model and the name.
    version : int
        The version that it points to.
    previous_version : int or None
        The version that it pointed to before.
    updated : pandas.Timestamp or None
        When it was moved, in UTC.
    etag : str
        Changes with every move.
    """

    model: str
    alias: str
    version: int
    previous_version: int | None
    updated: pd.Timestamp | None
    etag: str = dataclasses.field(repr=False)


class Evaluation:
    """How good a version is.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        The version's number.
    raw : dict
        The evaluation file as it is; the tables below are views of it.
    manifest : dict
        The manifest: lineage, recipe, import reports, gate.
    """

    def __init__(self, version: Any) -> None:
        self.model: str = version.model
        self.version: int = version.version
        self.raw: dict[str, Any] = json.loads(version.evaluation_json or "{}")
        self.manifest: dict[str, Any] = json.loads(version.manifest_json or "{}")

    def __repr__(self) -> str:
        return f"Evaluation({self.model}/{self.version}: {', '.join(sorted(self.raw))})"

    @property
    def metrics(self) -> pd.DataFrame:
        """`value`, `higher_is_better` and one column per reference; by metric."""
        rows = {
            name: {"value": one["value"], "higher_is_better": one["higher_is_better"]}
            | one.get("references", {})
            for name, one in self.raw.get("metrics", {}).items()
        }
        return _by_metric(rows)

    @property
    def intervals(self) -> pd.DataFrame:
        """`estimate`, `lower` and `upper` of 95 % by bootstrap over customers; by metric."""
        rows = {one["measure"]: one["interval"] for one in self.raw.get("intervals", [])}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")

    @property
    def differences(self) -> pd.DataFrame:
        """Against the champion on the same rows, with intervals; empty without a champion."""
        return pd.json_normalize(self.raw.get("differences", []))

    @property
    def reliability(self) -> pd.DataFrame:
        """`mean_predicted`, `observed` (shares, 0 to 1) and `count` per bin of probability."""
        return self._table("reliability", ["mean_predicted", "observed", "count"])

    @property
    def gains(self) -> pd.DataFrame:
        """`share` of the customers, `gain` (share of the events) and `cumulative_lift`."""
        return self._table("gains", ["share", "gain", "cumulative_lift"])

    @property
    def importances(self) -> pd.DataFrame:
        """`feature` and `importance`, the most important first."""
        return self._pairs("importance", ["feature", "importance"])

    @property
    def coefficients(self) -> pd.DataFrame:
        """`feature`, `coefficient` and `standard_error` of a logistic regression."""
        return self._pairs("coefficients", ["feature", "coefficient", "standard_error"])

    @property
    def snapshots(self) -> pd.DataFrame:
        """The dates that were learned from and judged on."""
        frame = self._table("snapshots", ["as_of", "role", "rows", "event_rate"])
        frame["as_of"] = pd.to_datetime(frame["as_of"], utc=True)
        return frame

    @property
    def slices(self) -> pd.DataFrame:
        """How well parts of the population are predicted."""
        return self._table("slices", ["slice", "rows", "event_rate", "mean_predicted", "roc_auc"])

    @property
    def dependence(self) -> pd.DataFrame:
        """`feature`, `value`, `mean`: how the mean answer moves with one feature."""
        rows = [
            {"feature": one["column"], **point}
            for one in self.raw.get("dependence", [])
            for point in one["points"]
        ]
        return pd.DataFrame(rows, columns=["feature", "value", "mean"])

    @property
    def segments(self) -> pd.DataFrame:
        """`size`, `share` and the medians of the features that made the segments; by name."""
        columns = self.raw.get("columns", [])
        rows = {
            one["name"]: {"size": one["size"], "share": one["share"]}
            | dict(zip(columns, one["medians"], strict=True))
            | {"description": one["description"]}
            for one in self.raw.get("segments", [])
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")

    @property
    def series(self) -> pd.DataFrame:
        """The backtest of each series of a forecast; by `unique_id`."""
        rows = []
        for one in self.raw.get("series", []):
            key = one["key"]
            name = _convert.series_name(key["group"], key.get("value") or "")
            rows.append({"unique_id": name} | {k: v for k, v in one.items() if k != "key"})
        frame = pd.DataFrame(rows)
        return frame.set_index("unique_id") if rows else frame

    def _table(self, key: str, columns: Sequence[str]) -> pd.DataFrame:
        rows = self.raw.get(key, [])
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(columns))

    def _pairs(self, key: str, columns: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame(self.raw.get(key, []), columns=list(columns))


def selector(version: Version | None) -> common_pb2.ModelSelector | None:
    """A version as it travels; None is the champion."""
    if version is None:
        return None
    if isinstance(version, str):
        return common_pb2.ModelSelector(alias=version)
    return common_pb2.ModelSelector(version=operator.index(version))


def metrics_frame(metrics: Iterable[Any]) -> pd.DataFrame:
    """Metrics of the wire."""
    rows = {
        metric.name: {"value": metric.value, "higher_is_better": metric.higher_is_better}
        | {reference.name: reference.value for reference in metric.references}
        for metric in metrics
    }
    return _by_metric(rows)


def alias_of(raw: Any) -> Alias:
    """An alias of the wire."""
    return Alias(
        model=raw.model,
        alias=raw.alias,
        version=raw.version,
        previous_version=raw.previous_version or None,
        updated=_convert.present(raw, "update_time"),
        etag=raw.etag,
    )


def models_frame(connection: Connection) -> pd.DataFrame:
    """See `Client.models`."""
    rows = []
    for raw in connection.pages(connection.registry.ListModels, wire.ListModelsRequest(), "models"):
        aliases = {alias.alias: alias.version for alias in raw.aliases}
        rows.append(
            {
                "name": raw.name,
                "kind": kind_name(raw.kind),
                "champion": aliases.get("champion"),
                "latest_version": raw.latest_version or None,
                "versions": raw.version_count,
                "aliases": aliases,
            }
        )
    columns = ["name", "kind", "champion", "latest_version", "versions", "aliases"]
    frame = pd.DataFrame(rows, columns=columns).set_index("name")
    return frame.astype({"champion": "Int64", "latest_version": "Int64"})


def versions_frame(connection: Connection, model: str) -> pd.DataFrame:
    """See `Client.versions`."""
    request = wire.ListModelVersionsRequest(model=model)
    rows = []
    for raw in connection.pages(connection.registry.ListModelVersions, request, "versions"):
        state = wire.ModelVersionState.Name(raw.state).removeprefix("MODEL_VERSION_STATE_").lower()
        rows.append(
            {
                "version": raw.version,
                "algorithm": raw.algorithm,
                "aliases": list(raw.aliases),
                "promoted": raw.promoted,
                "promotion_reason": raw.promotion_reason,
                "created": _convert.present(raw, "create_time"),
                "trained_as_of": _convert.present(raw, "trained_as_of"),
                **{metric.name: metric.value for metric in raw.metrics},
                "event": raw.event,
                "population": raw.population,
                "state": state,
                "state_reason": raw.state_reason,
                "training_job": raw.training_job_id,
            }
        )
    if not rows:
        return pd.DataFrame(index=pd.Index([], name="version", dtype="int64"))
    frame = pd.DataFrame(rows).set_index("version")
    for name in ("created", "trained_as_of"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def get_version(connection: Connection, model: str, version: Version | None) -> Any:
    """A version with manifest and evaluation."""
    request = wire.GetModelVersionRequest(model=model, selector=selector(version))
    return connection.call(connection.registry.GetModelVersion, request)


def compare(connection: Connection, model: str, versions: Sequence[Version] | None) -> pd.DataFrame:
    """See `Client.compare`."""
    if versions is None:
        versions = sorted(versions_frame(connection, model).index.tolist())
    evaluations = [Evaluation(get_version(connection, model, one)) for one in versions]
    columns: dict[int, Any] = {}
    better: dict[str, bool] = {}
    judged_on: dict[int, str | None] = {}
    for evaluation in evaluations:
        metrics = evaluation.metrics
        columns[evaluation.version] = metrics["value"]
        better.update(zip(metrics.index, metrics["higher_is_better"], strict=True))
        raw = evaluation.raw
        judged_on[evaluation.version] = (
            raw.get("holdout") or raw.get("as_of") or evaluation.manifest["data"].get("holdout")
        )
    frame = pd.DataFrame(columns).rename_axis(index="metric", columns="version")
    higher = frame.index.map(better)
    frame.insert(0, "better", ["higher" if one else "lower" for one in higher])
    values = frame.drop(columns="better").astype("float64")
    signed = values.mul([1.0 if one else -1.0 for one in higher], axis=0)
    best = signed.eq(signed.max(axis=1), axis=0)
    frame["best"] = [
        ", ".join(str(name) for name, is_best in row.items() if is_best)
        for _, row in best.iterrows()
    ]
    frame.attrs["judged_on"] = judged_on
    if len(set(judged_on.values())) > 1:
        dates = ", ".join(f"{version}: {date}" for version, date in judged_on.items())
        warnings.warn(
            f"the versions of {model} were judged on different dates ({dates}); "
            "their figures are not of the same customers",
            stacklevel=3,
        )
    return frame


def drift_frame(raw: Any) -> pd.DataFrame:
    """See `Client.drift`."""
    rows = [
        {
            "feature": one.name,
            "psi": one.population_stability_index,
            "noise": one.noise,
            "verdict": wire.DriftVerdict.Name(one.verdict).removeprefix("DRIFT_VERDICT_").lower(),
            "reference_missing": one.reference_missing,
            "missing": one.missing,
        }
        for one in raw.features
    ]
    columns = ["feature", "psi", "noise", "verdict", "reference_missing", "missing"]
    frame = pd.DataFrame(rows, columns=columns).set_index("feature")
    frame.attrs["model"] = raw.model
    frame.attrs["version"] = raw.version
    frame.attrs["reference_as_of"] = _convert.present(raw, "reference_as_of")
    frame.attrs["as_of"] = _convert.present(raw, "as_of")
    frame.attrs["rows"] = raw.rows
    frame.attrs["closed_window"] = None
    if raw.HasField("closed_window"):
        window = raw.closed_window
        frame.attrs["closed_window"] = {
            "as_of": _convert.present(window, "as_of"),
            "rows": window.rows,
            "metrics": metrics_frame(window.metrics).to_dict("index"),
        }
    return frame


def kind_name(kind: int) -> str:
    """The kind of a model in small letters."""
    if kind not in common_pb2.ModelKind.values():
        return "unknown"
    return common_pb2.ModelKind.Name(kind).removeprefix("MODEL_KIND_").lower()


def _by_metric(rows: dict[str, dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        empty = pd.DataFrame(columns=["value", "higher_is_better"])
        return empty.rename_axis("metric")
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")
