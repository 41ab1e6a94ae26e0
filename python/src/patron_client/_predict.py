"""Questions of many rows and their answers as a DataFrame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from . import _convert, _lines
from ._connection import Connection
from ._progress import rows_bar
from ._proto import common_pb2
from ._proto import prediction_service_pb2 as wire
from ._streams import Stream
from .errors import from_status

MOST_ROWS = 5_000  # rows of one part; the server takes 10,000
_ANSWER_BYTES = 2_000_000  # aimed at; the server sends 4 MiB by default
_ROW_BYTES = 80  # of an answer without reasons, about
_REASON_BYTES = 70  # about
REQUEST_BYTES = 3_000_000

Ids = Sequence[Any] | pd.Series | pd.Index | np.ndarray
"""Keys of customers; whole numbers count as their digits."""
Histories = pd.DataFrame | Mapping[Any, pd.DataFrame]
"""Lines with a column for the customer, or a frame of lines for each."""


@dataclasses.dataclass(frozen=True)
class Question:
    """What is asked of a model, beside the rows."""

    model: str
    selector: common_pb2.ModelSelector | None = None
    as_of: Any = None
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Rows:
    """The rows of a question: how many, how they are called, how a range of them is sent."""

    index: pd.Index[Any]
    ids: list[str] | None = None
    has_date: bool = True
    """Whether the server looks at lines, so that a date says which."""

    def __len__(self) -> int:
        return len(self.index)

    def largest_part(self) -> int:
        """How many of them fit a message."""
        return MOST_ROWS

    def input(self, start: int, end: int) -> dict[str, Any]:
        """Rows as the field of a request."""
        raise NotImplementedError


class IdRows(Rows):
    """Customers by their keys."""

    def __init__(self, ids: Ids) -> None:
        if isinstance(ids, (str, bytes)):
            raise TypeError(f"ids: expected a list of keys, found the single text {ids!r}")
        if isinstance(ids, pd.DataFrame) or not isinstance(ids, Iterable):
            found = type(ids).__name__
            raise TypeError(f"ids: expected a list or a column of keys, found a value of {found}")
        column = ids if isinstance(ids, pd.Series) else pd.Series(list(ids), dtype="object")
        self.index = column.index
        self.ids = _convert.texts(column)

    def input(self, start: int, end: int) -> dict[str, Any]:
        """Rows as the field of a request."""
        assert self.ids is not None
        return {"customer_ids": common_pb2.CustomerIds(ids=self.ids[start:end])}


class FeatureRows(Rows):
    """Feature vectors."""

    has_date = False

    def __init__(self, frame: pd.DataFrame, names: Sequence[str]) -> None:
        missing = [name for name in names if name not in frame.columns]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise ValueError(f"the frame lacks the features {', '.join(missing[:5])}{more}")
        self.index = frame.index
        self._names = list(names)
        self._digest = str(frame.attrs.get("schema_digest", ""))
        self._values = np.ascontiguousarray(
            frame[self._names].to_numpy(dtype="float64", na_value=np.nan), dtype="<f4"
        )

    def largest_part(self) -> int:
        """By the width of a row."""
        return max(1, min(MOST_ROWS, REQUEST_BYTES // (4 * max(1, len(self._names)))))

    def input(self, start: int, end: int) -> dict[str, Any]:
        """Rows as the field of a request."""
        block = common_pb2.FeatureBlock(
            columns=self._names,
            row_count=end - start,
            f32_le=self._values[start:end].tobytes(),
            schema_digest=self._digest,
        )
        return {"features": block}


class HistoryRows(Rows):
    """What-if histories."""

    def __init__(
        self, histories: Histories, columns: _lines.Columns | None, time_zone: str | None
    ) -> None:
        if isinstance(histories, pd.DataFrame):
            grouped = _by_customer(histories, columns)
        else:
            grouped = dict(histories)
        tables = []
        for key, frame in grouped.items():
            required = _lines.REQUIRED if len(frame) > 0 else ()
            mapped = columns if len(frame) > 0 else {}
            table = _lines.table(frame, mapped, time_zone=time_zone, required=required)
            if table.problems:
                row, (field, message) = min(table.problems.items())
                raise ValueError(f"histories: customer {key!r}, line {row}: {field}: {message}")
            tables.append(table)
        self.index = pd.RangeIndex(len(tables))
        self.ids = [_convert.text(key) for key in grouped]
        self._tables = tables

    def largest_part(self) -> int:
        """By the average number of lines."""
        lines = sum(table.rows for table in self._tables)
        average = 150 * lines / max(1, len(self._tables))
        return max(1, min(MOST_ROWS, int(REQUEST_BYTES // max(1.0, average))))

    def input(self, start: int, end: int) -> dict[str, Any]:
        """Rows as the field of a request."""
        histories = wire.CustomerLines()
        for table in self._tables[start:end]:
            table.fill(histories.customers.add().lines, range(table.rows))
        return {"histories": histories}


def _by_customer(
    frame: pd.DataFrame, columns: _lines.Columns | None
) -> dict[Hashable, pd.DataFrame]:
    name = (columns or {}).get("customer_id", "customer_id")
    if name not in frame.columns:
        raise ValueError(f"histories: the frame has no column {name!r} that tells the customer")
    return dict(iter(frame.groupby(name, sort=False, dropna=False)))


@dataclasses.dataclass(frozen=True)
class Method:
    """One of the four methods that answer rows."""

    name: str
    columns: Callable[[Any], dict[str, Any]]
    """The columns of an answer that are this method's own."""
    settings: tuple[str, ...]
    """Fields of the request beside model, selector, input and as-of."""

    @property
    def takes_tables(self) -> bool:
        """Whether rows may bring columns of their own."""
        return "table" in getattr(wire, f"{self.name}Request").DESCRIPTOR.fields_by_name

    def request(self, question: Question, rows: Mapping[str, Any]) -> Any:
        """The request message."""
        return getattr(wire, f"{self.name}Request")(
            model=question.model,
            selector=question.selector,
            as_of=question.as_of,
            **question.extra,
            **rows,
        )


def _probability_columns(answer: Any) -> dict[str, Any]:
    rows = len(answer.sources)
    bounds = {"interval_lower": answer.interval_lower, "interval_upper": answer.interval_upper}
    return {
        "probability": _floats(answer.probabilities),
        "percentile": _floats(answer.percentiles),
        "label": np.fromiter(answer.labels, dtype=bool),
        **{
            name: _floats(values) if len(values) > 0 else np.full(rows, np.nan)
            for name, values in bounds.items()
        },
    }


def _segment_columns(answer: Any) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "segment": np.fromiter(answer.segments, dtype="int64"),
        "name": list(answer.names),
        "distance": _floats(answer.distances),
        "confidence": _floats(answer.confidences),
    }
    if len(answer.all_distances) > 0:
        rows = len(answer.segments)
        distances = _floats(answer.all_distances).reshape(rows, -1)
        for place, segment in enumerate(answer.catalogue):
            columns[f"distance_{segment.name}"] = distances[:, place]
    return columns


def _rfm_columns(answer: Any) -> dict[str, Any]:
    return {
        "recency": np.fromiter(answer.recency_scores, dtype="int64"),
        "frequency": np.fromiter(answer.frequency_scores, dtype="int64"),
        "monetary": np.fromiter(answer.monetary_scores, dtype="int64"),
        "cell": list(answer.cells),
        "name": list(answer.segments),
    }


METHODS: dict[int, Method] = {
    common_pb2.MODEL_KIND_CHURN: Method(
        "PredictChurn", _probability_columns, ("explain", "threshold")
    ),
    common_pb2.MODEL_KIND_PROPENSITY: Method(
        "PredictPropensity", _probability_columns, ("explain", "threshold")
    ),
    common_pb2.MODEL_KIND_SEGMENTS: Method(
        "AssignSegments", _segment_columns, ("explain", "all_distances", "include_catalogue")
    ),
    common_pb2.MODEL_KIND_RFM: Method("AssignRfm", _rfm_columns, ()),
}
"""The method of each kind of model."""


def ask(
    connection: Connection,
    method: Method,
    question: Question,
    rows: Rows,
    *,
    chunk_rows: int | None,
    progress: bool,
) -> pd.DataFrame:
    """Asks for all rows and puts the answers together in their order.

    The parts after the first name the version and the date that answered the first one, so that
    one frame never mixes two versions or two dates.
    """
    explain = int(question.extra.get("explain") or 0)
    if chunk_rows is not None and chunk_rows < 1:
        raise ValueError(f"chunk_rows: expected 1 or more, found {chunk_rows}")
    if chunk_rows is None:
        per_row = _ROW_BYTES + _REASON_BYTES * min(explain, 100)
        chunk_rows = max(1, min(rows.largest_part(), _ANSWER_BYTES // per_row))
    starts = range(0, len(rows), chunk_rows)
    if len(rows) == 0:
        return _frame(method, rows, [getattr(wire, f"{method.name}Response")()], [0])
    ends = [min(start + chunk_rows, len(rows)) for start in starts]
    with rows_bar(len(rows), f"predict {question.model}", "rows", show=progress) as bar:
        single = getattr(connection.predictions, method.name)
        request = method.request(question, rows.input(0, ends[0]))
        answers = [connection.call(single, request)]
        bar.update(ends[0])
        if len(ends) > 1:
            pinned = _pinned(question, answers[0].served_by, rows)
            stream = Stream(
                connection,
                getattr(connection.predictions, f"Stream{method.name}"),
                getattr(wire, f"Stream{method.name}Request"),
                lambda part: method.request(pinned, rows.input(starts[part], ends[part])),
                starts,
            )
            for part, answer in enumerate(stream.answers(1), start=1):
                answers.append(answer)
                bar.update(ends[part] - starts[part])
    return _frame(method, rows, answers, starts)


def _pinned(question: Question, served_by: Any, rows: Rows) -> Question:
    as_of = served_by.as_of if rows.has_date else None
    selector = common_pb2.ModelSelector(version=served_by.version)
    return dataclasses.replace(question, selector=selector, as_of=as_of)


def _frame(
    method: Method, rows: Rows, answers: Sequence[Any], starts: Sequence[int]
) -> pd.DataFrame:
    parts = [_part(method, answer) for answer in answers]
    frame = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    frame.index = rows.index
    if rows.ids is not None:
        frame.insert(0, "customer_id", rows.ids)
    frame["error"] = pd.Series(
        _errors(answers, starts, len(rows)), index=frame.index, dtype="object"
    )
    first = answers[0]
    frame.attrs["served_by"] = served_by(first)
    if "threshold" in first.DESCRIPTOR.fields_by_name:
        frame.attrs["threshold"] = round(first.threshold, 7)
        frame.attrs["interval_level"] = round(max(answer.interval_level for answer in answers), 7)
    if "scope" in first.DESCRIPTOR.fields_by_name:
        frame.attrs["scope"] = first.scope
    if "catalogue" in first.DESCRIPTOR.fields_by_name:
        frame.attrs["catalogue"] = [
            {
                "segment": one.id,
                "name": one.name,
                "description": one.description,
                "share": one.share,
            }
            for one in first.catalogue
        ]
    if "edges" in first.DESCRIPTOR.fields_by_name:
        frame.attrs["edges"] = {
            name: list(getattr(first.edges, name)) for name in ("recency", "frequency", "monetary")
        }
        frame.attrs["naming_version"] = first.naming_version
    return frame


def _part(method: Method, answer: Any) -> pd.DataFrame:
    columns = method.columns(answer)
    rows = len(answer.sources)
    served = answer.served_by
    columns["source"] = [_SOURCES.get(source, "unknown") for source in answer.sources]
    if len(answer.last_line_time_micros) > 0:
        newest = _convert.moments(answer.last_line_time_micros, zero_is_missing=True)
    else:
        newest = _convert.moments([0] * rows, zero_is_missing=True)
    columns["last_line_time"] = newest
    age = _convert.moment(served.as_of) - newest
    columns["feature_age_days"] = age / pd.Timedelta(days=1)
    reasons: list[list[dict[str, Any]]] = [_reasons(row) for row in answer.reasons]
    columns["reasons"] = reasons if len(reasons) > 0 else [[] for _ in range(rows)]
    columns["error"] = None
    columns["model"] = [served.model] * rows
    columns["version"] = np.full(rows, served.version, dtype="int64")
    columns["as_of"] = _convert.moments(
        [_convert.micros(served.as_of)] * rows, zero_is_missing=True
    )
    return pd.DataFrame(columns)


def _reasons(row: Any) -> list[dict[str, Any]]:
    return [
        {
            "code": reason.code,
            "feature": reason.feature,
            "value": reason.value,
            "text": reason.text,
            "contribution": reason.contribution,
        }
        for reason in row.reasons
    ]


def _errors(answers: Sequence[Any], starts: Sequence[int], rows: int) -> list[str | None]:
    errors: list[str | None] = [None] * rows
    for answer, start in zip(answers, starts, strict=True):
        for one in answer.errors:
            errors[start + one.row] = str(from_status(one.status, offset=start))
    return errors


def served_by(answer: Any) -> dict[str, Any]:
    """Which model answered, as plain values."""
    served = answer.served_by
    return {
        "model": served.model,
        "version": served.version,
        "model_digest": served.model_digest,
        "schema_digest": served.schema_digest,
        "as_of": _convert.present(served, "as_of"),
        "newest_line_time": _convert.present(served, "newest_line_time"),
        "trained_as_of": _convert.present(served, "trained_as_of"),
        "event": served.event,
        "horizon_days": served.horizon_days,
        "population": served.population,
        "calibration_error": (
            served.calibration_error if served.HasField("calibration_error") else None
        ),
        "request_id": served.request_id,
    }


def reasons_frame(predictions: pd.DataFrame) -> pd.DataFrame:
    """The reasons of a prediction, one row each.

    Parameters
    ----------
    predictions
        What `Client.predict` returned with `explain`.

    Returns
    -------
    pandas.DataFrame
        The customer where the rows have one, the `rank` from 1 within the row, `code`, `feature`,
        `value` in the feature's unit, its `text` where the feature is a category, and
        `contribution` (log-odds for churn and propensity). Its index is that of the predictions.
    """
    keys = [name for name in ("customer_id",) if name in predictions.columns]
    long = predictions[[*keys, "reasons"]].explode("reasons").dropna(subset=["reasons"])
    told = pd.DataFrame(
        long["reasons"].tolist(),
        index=long.index,
        columns=["code", "feature", "value", "text", "contribution"],
    )
    counts: Iterable[int] = predictions["reasons"].map(len)
    told.insert(0, "rank", [rank for count in counts for rank in range(1, count + 1)])
    for key in reversed(keys):
        told.insert(0, key, long[key].to_numpy())
    return told


def _floats(values: Iterable[float]) -> Any:
    return np.fromiter(values, dtype="float64")


_SOURCES: dict[int, str] = {
    number: name.removeprefix("ROW_SOURCE_").lower() if number != 0 else "refused"
    for name, number in wire.RowSource.items()
}
