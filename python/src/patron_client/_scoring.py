"""Scoring jobs: all customers, or all rows of a table, into one file."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import pandas as pd

from . import _convert, _jobs, _models
from ._proto import scoring_service_pb2 as wire

Models = str | Sequence[str | tuple[str, int | str]]
"""``"churn"``, ``"churn@challenger"``, ``"churn/3"``, ``("churn", 3)``, or several of them."""

_POPULATIONS = ("all", "active", "known")


def models(chosen: Models) -> list[wire.ScoringModel]:
    """The models of a scoring as they travel."""
    scored = []
    for one in [chosen] if isinstance(chosen, str) else chosen:
        version: int | str | None
        if not isinstance(one, str):
            name, version = one
        elif "@" in one:
            name, _, version = one.partition("@")
        elif "/" in one:
            name, _, number = one.partition("/")
            if not number.isdecimal():
                raise ValueError(f"models: expected NAME, NAME@ALIAS or NAME/NUMBER, found {one!r}")
            version = int(number)
        else:
            name, version = one, None
        scored.append(wire.ScoringModel(model=name, selector=_models.selector(version)))
    return scored


def population(name: str | None) -> str | None:
    """Which customers, as it travels."""
    if name is None:
        return None
    if name not in _POPULATIONS:
        raise ValueError(f"population: expected one of {', '.join(_POPULATIONS)}, found {name!r}")
    return f"SCORING_POPULATION_{name.upper()}"


def file_format(name: str | None, output: str | pathlib.Path) -> str:
    """The format of the file, as it travels; by default what its name says."""
    if name is None:
        name = "csv" if str(output).lower().endswith(".csv") else "parquet"
    if name not in ("parquet", "csv"):
        raise ValueError(f"format: expected 'parquet' or 'csv', found {name!r}")
    return f"SCORING_FORMAT_{name.upper()}"


def table(path: str | pathlib.Path | None, key: str | None) -> wire.ScoringTable | None:
    """A table as it travels."""
    if (path is None) != (key is None):
        raise ValueError("table and key go together: key names the column that tells the rows")
    if path is None:
        return None
    return wire.ScoringTable(uri=server_path(path), key_column=key)


def server_path(path: str | pathlib.Path) -> str:
    """A path as the server sees it; it does not know this process's directory."""
    if isinstance(path, str) and path.startswith("file://"):
        return path
    return str(pathlib.Path(path).absolute())


def read(job: _jobs.Job) -> pd.DataFrame:
    """The file of a scoring that has ended."""
    raw = job.raw
    path = raw.output_uri.removeprefix("file://")
    if raw.format == wire.SCORING_FORMAT_CSV:
        key = raw.table.key_column or "customer_id"
        frame = pd.read_csv(path, dtype={key: "str"})
    else:
        frame = pd.read_parquet(path)
    frame.attrs["job_id"] = job.id
    frame.attrs["versions"] = {one.model: one.version for one in raw.models_used}
    frame.attrs["as_of"] = _convert.present(raw, "as_of")
    frame.attrs["output_digest"] = raw.output_digest
    return frame
