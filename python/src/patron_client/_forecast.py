"""Forecasts as a DataFrame in the form of the forecasting libraries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from . import _convert
from ._connection import Connection
from ._predict import served_by
from ._proto import common_pb2
from ._proto import prediction_service_pb2 as wire
from ._streams import Stream
from .errors import PatronError, from_status

Series = str | tuple[str, Any]
"""``"total"``, ``"country=France"`` or ``("country", "France")``."""

Sums = Mapping[str, Sequence[Series]] | Sequence[Sequence[Series]]
"""Sums of series, with names of the caller or without."""

_PARTS = ("level", "trend", "seasonal", "regressors", "adjustment")
_MOST_VALUES = 100_000  # series times horizon times levels of one call
_LONGEST_HORIZON = 1_000  # assumed where none was asked for
_ANSWER_VALUES = 60_000  # numbers in one answer, so that it stays below 4 MiB


def forecast(
    connection: Connection,
    model: str,
    selector: common_pb2.ModelSelector | None,
    series: Series | Sequence[Series] | None,
    sums: Sums | None,
    *,
    horizon: int | None,
    levels: float | Sequence[float] | None,
    components: bool,
    time_zone: str | None,
    on_error: Literal["raise", "skip"],
    plan: pd.DataFrame | None,
    effects: bool,
) -> pd.DataFrame:
    """See `Client.forecast`."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error: expected 'raise' or 'skip', found {on_error!r}")
    _convert.count("horizon", horizon)
    if isinstance(levels, (int, float)):
        levels = [levels]
    shares = [_share(level) for level in levels or ()]
    keys = _keys(series)
    planned = _planned(plan)
    if series is not None and not keys:
        raise ValueError("series: there are none; leave it out for all that the model has")

    named = _sums(sums)

    def request(chosen: Sequence[wire.SeriesKey], pinned: Any, **more: Any) -> wire.ForecastRequest:
        return wire.ForecastRequest(
            model=model,
            selector=pinned,
            series=chosen,
            horizon=horizon,
            levels=shares,
            plan=planned,
            include_effects=effects,
            include_components=components,
            **more,
        )

    # How far the model looks ahead is known from the first answer.
    parts = len(_PARTS) if components else 0
    first = _part(horizon or _LONGEST_HORIZON, shares, parts)
    question = request(keys[:first], selector, sums=named.values())
    answers = [connection.call(connection.predictions.Forecast, question)]
    starts = [0]
    if len(keys) > first:
        part = _part(len(answers[0].period_starts), shares, parts)
        starts += range(first, len(keys), part)
        pinned = common_pb2.ModelSelector(version=answers[0].served_by.version)
        stream = Stream(
            connection,
            connection.predictions.StreamForecast,
            wire.StreamForecastRequest,
            lambda at: request(keys[starts[at] : starts[at] + part], pinned),
            starts,
        )
        answers.extend(stream.answers(1))
    frame = _frame(answers, starts, time_zone, on_error, components)
    if not named:
        return frame
    dates = _dates(answers[0].period_starts, time_zone)
    added = [_one(name, dates, one) for name, one in zip(named, answers[0].sums, strict=True)]
    attrs = frame.attrs
    frame = pd.concat([frame, *added], ignore_index=True)
    frame.attrs = attrs
    return frame


def _part(horizon: int, shares: Sequence[float], parts: int) -> int:
    """How many series fit a message."""
    values = max(1, horizon) * (1 + 2 * max(2, len(shares)) + parts)
    return max(1, min(_ANSWER_VALUES, _MOST_VALUES) // values)


def name_of(key: Any) -> str:
    """The name of a series: ``total``, ``country=France``, or ``country=`` for all others."""
    return _convert.series_name(key.group, key.value)


def _frame(
    answers: Sequence[Any],
    starts: Sequence[int],
    time_zone: str | None,
    on_error: str,
    components: bool,
) -> pd.DataFrame:
    refused: dict[str, str] = {}
    frames: list[pd.DataFrame] = []
    methods: list[dict[str, Any]] = []
    effects: list[dict[str, Any]] = []
    for answer, start in zip(answers, starts, strict=True):
        bad = {}
        for error in answer.errors:
            if on_error == "raise":
                raise _of_series(answer, error, start)
            bad[error.row] = from_status(error.status)
        dates = _dates(answer.period_starts, time_zone)
        for row, one in enumerate(answer.series):
            name = name_of(one.key)
            if row in bad:
                refused[name] = str(bad[row])
                continue
            columns = _one(name, dates, one)
            frames.append(columns.assign(**_components(one)) if components else columns)
            methods.append(_method(name, one))
            effects.extend(_effect(name, effect) for effect in one.effects)
    frame = pd.concat(frames, ignore_index=True) if frames else _empty()
    first = answers[0]
    frame.attrs["served_by"] = served_by(first)
    frame.attrs["measure"] = first.measure
    frame.attrs["currency"] = first.currency
    frame.attrs["frequency"] = (
        wire.Frequency.Name(first.frequency).removeprefix("FREQUENCY_").lower()
    )
    frame.attrs["series"] = methods
    frame.attrs["effects"] = effects
    frame.attrs["errors"] = refused
    return frame


def _of_series(answer: Any, error: Any, start: int) -> PatronError:
    told = from_status(error.status)
    told.row = start + error.row
    told.metadata.setdefault("series", name_of(answer.series[error.row].key))
    return told


def _one(name: str, dates: pd.DatetimeIndex, one: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "unique_id": name,
        "ds": dates,
        "mean": np.fromiter(one.mean, dtype="float64"),
    }
    for interval in one.intervals:
        level = f"{100 * interval.level:.10g}"
        columns[f"lo-{level}"] = np.fromiter(interval.lower, dtype="float64")
        columns[f"hi-{level}"] = np.fromiter(interval.upper, dtype="float64")
    return pd.DataFrame(columns)


def _components(one: Any) -> dict[str, Any]:
    # Of a version from before them there are none.
    parts = {part: getattr(one.components, part) for part in _PARTS}
    return {
        part: np.fromiter(values, dtype="float64") if values else np.nan
        for part, values in parts.items()
    }


def _method(name: str, one: Any) -> dict[str, Any]:
    return {
        "unique_id": name,
        "method": one.method,
        "weights": {weight.method: weight.weight for weight in one.weights},
        "fallback_reason": one.fallback_reason,
        "backtest_mase": one.backtest_mase if one.HasField("backtest_mase") else None,
        "intervals": [
            {
                "level": interval.level,
                "source": wire.IntervalSource.Name(interval.source)
                .removeprefix("INTERVAL_SOURCE_")
                .lower(),
                "backtest_coverage": (
                    interval.backtest_coverage if interval.HasField("backtest_coverage") else None
                ),
            }
            for interval in one.intervals
        ],
    }


def _effect(name: str, effect: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"unique_id": name, "regressor": effect.regressor}
    if effect.HasField("cannot_tell"):
        why = effect.cannot_tell
        reason = wire.CannotTellReason.Name(why.reason).removeprefix("CANNOT_TELL_REASON_").lower()
        return row | {"cannot_tell": reason, "message": why.message}
    told = effect.uplift
    row |= {"baseline": told.baseline, "periods": told.periods}
    estimates = {"percent": told.percent, "uplift": told.uplift}
    if told.HasField("elasticity"):
        estimates["elasticity"] = told.elasticity
    for column, estimate in estimates.items():
        row |= {
            column: estimate.value,
            f"{column}-lo-95": estimate.lower,
            f"{column}-hi-95": estimate.upper,
        }
    return row


def _planned(plan: pd.DataFrame | None) -> list[Any]:
    if plan is None:
        return []
    missing = {"unique_id", "ds"}.difference(plan.columns)
    if missing:
        raise ValueError(f"plan: there is no column {min(missing)!r}")
    columns = [column for column in plan.columns if column not in ("unique_id", "ds")]
    planned = []
    for row in plan.to_dict("records"):
        day = pd.Timestamp(row["ds"])
        if day.tzinfo is not None:
            raise ValueError("plan: ds is a day on the shop's calendar; remove the time zone")
        values = [
            wire.PlannedValue(regressor=str(column), value=float(row[column]))
            for column in columns
            if not _convert.is_missing(row[column])
        ]
        if values:
            series, date = _key(row["unique_id"]), day.date().isoformat()
            planned.append(wire.PlannedPeriod(series=series, date=date, values=values))
    return planned


def _dates(starts: Iterable[Any], time_zone: str | None) -> pd.DatetimeIndex:
    utc = _convert.moments(_convert.micros(start) for start in starts)
    return utc if time_zone is None else utc.tz_convert(time_zone).tz_localize(None)


def _empty() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "unique_id": pd.Series(dtype="object"),
            "ds": _convert.moments([]),
            "mean": pd.Series(dtype="float64"),
        }
    )


def _keys(series: Series | Sequence[Series] | None) -> list[wire.SeriesKey]:
    if series is None:
        return []
    if isinstance(series, str) or _is_pair(series):
        return [_key(series)]  # type: ignore[arg-type]
    return [_key(one) for one in series]


def _sums(sums: Sums | None) -> dict[str, wire.SeriesSum]:
    """The sums as they travel, by their names."""
    if isinstance(sums, Mapping):
        return {name: wire.SeriesSum(series=_keys(of)) for name, of in sums.items()}
    if any(isinstance(of, str) for of in sums or ()):
        raise ValueError("sums: expected lists of series, such as [['total'], ['country=France']]")
    made = [_keys(of) for of in sums or ()]
    return {" + ".join(map(name_of, keys)): wire.SeriesSum(series=keys) for keys in made}


def _is_pair(series: Any) -> bool:
    return (
        isinstance(series, tuple)
        and len(series) == 2
        and isinstance(series[0], str)
        and "=" not in series[0]
        and series[0] != "total"
    )


def _key(series: Series) -> wire.SeriesKey:
    if isinstance(series, str):
        group, _, value = series.partition("=")
        return wire.SeriesKey(group=group, value=value)
    group, value = series
    return wire.SeriesKey(group=group, value=_convert.text(value))


def _share(level: float) -> float:
    # 80 as well as 0.8: other libraries count in percent.
    return level / 100 if level > 1 else level
