"""Tables of cases: rows that bring their columns with them, and recipes that learn from them."""

from __future__ import annotations

import decimal
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from . import _convert
from ._customers import toml_value
from ._predict import MOST_ROWS, REQUEST_BYTES, Rows
from ._proto import common_pb2

_NUMBERS, _FLAGS, _TEXTS = "numbers", "flags", "texts"
_FLAG = (bool, np.bool_)
_NUMBER = (int, float, np.number, decimal.Decimal)
_SPELT = (str, *_FLAG, *_NUMBER)
_LISTS: dict[str, Any] = {
    _NUMBERS: common_pb2.DoubleValues,
    _FLAGS: common_pb2.BoolValues,
    _TEXTS: common_pb2.StringValues,
}


class TableRows(Rows):
    """Rows of a frame, each column with its own type."""

    has_date = False

    def __init__(self, frame: pd.DataFrame, names: Sequence[str]) -> None:
        missing = [name for name in names if name not in frame.columns]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise ValueError(f"the table lacks the columns {', '.join(missing[:5])}{more}")
        twice = sorted({name for name in names if list(frame.columns).count(name) > 1})
        if twice:
            raise ValueError(f"the table has more than one column {', '.join(twice)}")
        self.index = frame.index
        self._columns = {name: column_values(name, frame[name]) for name in names}

    def largest_part(self) -> int:
        """By the average width of a row."""
        rows = max(1, len(self.index))
        width = sum(_width(kind, values) for kind, values, _ in self._columns.values()) / rows
        return max(1, min(MOST_ROWS, int(REQUEST_BYTES // max(1.0, width))))

    def input(self, start: int, end: int) -> dict[str, Any]:
        """Rows as the field of a request."""
        columns = []
        for name, (kind, values, missing) in self._columns.items():
            first, after = np.searchsorted(missing, [start, end])
            columns.append(
                common_pb2.TableColumn(
                    name=name,
                    missing=(missing[first:after] - start).tolist(),
                    **{kind: _LISTS[kind](values=values[start:end])},
                )
            )
        return {"table": common_pb2.TableBlock(columns=columns, row_count=end - start)}


def column_values(name: str, column: pd.Series[Any]) -> tuple[str, list[Any], np.ndarray]:
    """What a column holds, its values, and the rows of which nothing is known.

    Flags and numbers stay what they are, everything else travels as text. Instead of a missing
    value stands one that says nothing: NaN, False or an empty text.
    """
    missing = np.flatnonzero(column.isna().to_numpy(dtype=bool))
    kind = _kind(name, column)
    if kind == _NUMBERS:
        numbers = _plain(column).to_numpy(dtype="float64", na_value=np.nan)
        return kind, numbers.tolist(), missing
    if kind == _FLAGS:
        known = column.notna()
        return kind, [bool(value) for value in column.where(known, False)], missing
    return kind, _convert.texts(_plain(column)), missing


def _kind(name: str, column: pd.Series[Any]) -> str:
    plain = _plain(column)
    if pd.api.types.is_bool_dtype(plain.dtype):
        return _FLAGS
    if pd.api.types.is_complex_dtype(plain.dtype):
        raise ValueError(f"column {name}: expected numbers, flags or texts, found {column.dtype}")
    if pd.api.types.is_numeric_dtype(plain.dtype):
        return _NUMBERS
    values = plain.dropna().tolist()
    if values and all(isinstance(value, _FLAG) for value in values):
        return _FLAGS
    if values and all(
        isinstance(value, _NUMBER) and not isinstance(value, _FLAG) for value in values
    ):
        return _NUMBERS
    strange = next((value for value in values if not isinstance(value, _SPELT)), None)
    if strange is None:
        return _TEXTS
    found = f"{type(strange).__name__} {strange!r}"
    raise ValueError(f"column {name}: expected numbers, flags or texts, found {found}")


def _plain(column: pd.Series[Any]) -> pd.Series[Any]:
    """Without categories."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(column.cat.categories.dtype if column.notna().all() else "object")
    return column


def _width(kind: str, values: Sequence[Any]) -> int:
    """Bytes of a column, about; a missing row costs up to three more."""
    if kind == _TEXTS:
        return sum(len(value.encode()) + 3 for value in values) + 3 * len(values)
    return (11 if kind == _NUMBERS else 4) * len(values)


def recipe(
    path: str | pathlib.Path,
    *,
    label: str | None,
    event: str | None,
    id: str | None,
    time: str | None,
    horizon_days: int | None,
    exclude: Sequence[str] | None,
    types: Mapping[str, str] | None,
    kind: str | None,
    algorithm: str | None,
) -> str:
    """A recipe, in TOML, that learns from a file with one row per case."""
    if not isinstance(path, (str, pathlib.Path)):
        raise TypeError(
            "table: expected the path of a CSV or Parquet file that the server can read, "
            f"found a {type(path).__name__}; a frame becomes one by to_parquet"
        )
    if label is None:
        raise ValueError("label: name the column of the outcome")
    if isinstance(exclude, str):
        raise TypeError(f"exclude: expected a list of columns, found the single text {exclude!r}")
    table: dict[str, Any] = {
        "path": str(pathlib.Path(path).absolute()),
        "label": label,
        "event": event,
        "id": id,
        "time": time,
        "horizon_days": horizon_days,
        "exclude": list(exclude) if exclude else None,
    }
    lines = [f"kind = {toml_value(kind or 'churn')}"]
    if algorithm is not None:
        lines.append(f"algorithm = {toml_value(algorithm)}")
    lines.append("\n[table]")
    lines += [f"{key} = {toml_value(value)}" for key, value in table.items() if value is not None]
    if types:
        lines.append("\n[table.types]")
        lines += [f"{toml_value(column)} = {toml_value(what)}" for column, what in types.items()]
    return "\n".join(lines) + "\n"
