"""Between Python's values and those of the protos."""

from __future__ import annotations

import datetime
import decimal
import operator
import zoneinfo
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from google.protobuf.timestamp_pb2 import Timestamp

MICROS = 1_000_000
"""Parts of a currency unit in which money travels."""
THOUSANDTHS = 1_000
"""Parts of a unit in which quantities travel."""

_INT64 = (-(2**63), 2**63 - 1)
_EXACT = 1e15  # up to here a float that was read from a decimal gives back all of its digits
_CONTEXT = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)

Time = str | datetime.datetime | datetime.date | pd.Timestamp
"""A point in time; UTC where it names no zone."""


class Unreadable(ValueError):
    """A value that cannot be what its field needs; the text says what was expected."""


def timestamp(value: Time | None) -> Timestamp | None:
    """A point in time as it travels."""
    if value is None:
        return None
    if isinstance(value, (int, float, np.number)):
        # It could be seconds, nanoseconds or a date in digits.
        raise TypeError(f"expected a time such as '2011-12-01', found {value!r}")
    moment = pd.Timestamp(value)
    if pd.isna(moment):
        raise ValueError(f"expected a time, found {value!r}")
    moment = moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    return micros_to_timestamp(_since_1970(moment))


def _since_1970(utc: pd.Timestamp) -> int:
    """Microseconds; unlike `value`, also of years that nanoseconds do not reach."""
    return int(utc.as_unit("us").to_datetime64().astype("int64"))


def micros_to_timestamp(micros: int) -> Timestamp:
    """Microseconds since 1970 as they travel."""
    seconds, rest = divmod(micros, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000)


def moment(value: Timestamp) -> pd.Timestamp:
    """A point in time in UTC, to the microsecond."""
    return pd.Timestamp(micros(value), unit="us", tz="UTC")


def micros(value: Timestamp) -> int:
    """Microseconds since 1970 of what travelled."""
    return value.seconds * 1_000_000 + value.nanos // 1_000


def present(message: Any, field: str) -> pd.Timestamp | None:
    """The time in a field of a message; None where it is not set."""
    return moment(getattr(message, field)) if message.HasField(field) else None


def moments(micros: Iterable[int], *, zero_is_missing: bool = False) -> pd.DatetimeIndex:
    """Microseconds since 1970 as a column of UTC times."""
    values = np.fromiter(micros, dtype="int64")
    times = values.astype("datetime64[us]")
    if zero_is_missing:
        times[values == 0] = np.datetime64("NaT")
    return pd.DatetimeIndex(times).tz_localize("UTC")


def count(name: str, value: int | None) -> int | None:
    """A number that travels without a sign."""
    if value is not None and not 0 <= operator.index(value) < 2**32:
        raise ValueError(f"{name}: expected 0 or more, found {value}")
    return value


def is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas' NA."""
    return value is None or value is pd.NA or value is pd.NaT or value != value


def text(value: Any) -> str:
    """A value as the text of a key: 17850, not 17850.0; empty where it is missing."""
    if isinstance(value, str):
        return value
    if is_missing(value):
        return ""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def texts(column: pd.Series[Any]) -> list[str]:
    """A column of keys, as `text` of each."""
    values: list[Any] = column.tolist()
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return [
            "" if value != value else str(int(value)) if value.is_integer() else str(value)
            for value in values
        ]
    if all(type(value) is str for value in values):
        return values
    return [text(value) for value in values]


def scaled(value: Any, scale: int) -> int:
    """A number as a count of `1 / scale`, rounded half to even as the server rounds files.

    A float stands for the shortest decimal that names it.
    """
    if isinstance(value, (bool, np.bool_)):
        raise Unreadable(f"expected a number, found {value}")
    if isinstance(value, (float, np.floating)):
        value = repr(float(value))
    elif isinstance(value, np.integer):
        value = int(value)
    elif isinstance(value, str):
        value = value.strip()
    try:
        exact = decimal.Decimal(value)
    except (decimal.InvalidOperation, TypeError, ValueError):
        raise Unreadable(f"expected a number, found {value!r}") from None
    if not exact.is_finite():
        raise Unreadable(f"expected a finite number, found {value}")
    if exact.adjusted() > 20:
        raise Unreadable(f"number too large: {value}")
    count = int((exact * scale).to_integral_value(decimal.ROUND_HALF_EVEN, _CONTEXT))
    if not _INT64[0] <= count <= _INT64[1]:
        raise Unreadable(f"number too large: {value}")
    return count


def scaled_column(column: pd.Series[Any], scale: int) -> tuple[list[int | None], dict[int, str]]:
    """A column of numbers as `scaled` of each, None where missing; and what cannot be read."""
    if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
        return _scaled_floats(column.to_numpy("float64"), scale)
    values: list[int | None] = []
    problems: dict[int, str] = {}
    known: dict[Any, int] = {}  # prices repeat
    for row, value in enumerate(column.tolist()):
        count = None
        if not (is_missing(value) or value == ""):
            try:
                # 1 and True are the same key; bool is no number here.
                key = (type(value), value)
                count = known.get(key)
                if count is None:
                    count = known[key] = scaled(value, scale)
            except Unreadable as problem:
                problems[row] = str(problem)
        values.append(count)
    return values, problems


def _scaled_floats(
    floats: npt.NDArray[np.float64], scale: int
) -> tuple[list[int | None], dict[int, str]]:
    with np.errstate(over="ignore", invalid="ignore"):
        counts = np.rint(floats * scale)
        # Where dividing gives the float back, its shortest decimal has no more digits than fit.
        sure = (np.abs(counts) <= _EXACT) & (counts / scale == floats)
    values: list[int | None] = np.where(sure, counts, 0).astype("int64").tolist()
    problems: dict[int, str] = {}
    for row in np.flatnonzero(~sure).tolist():
        values[row] = None
        if np.isnan(floats[row]):
            continue
        try:
            values[row] = scaled(floats[row], scale)
        except Unreadable as problem:
            problems[row] = str(problem)
    return values, problems


def whole_column(column: pd.Series[Any], largest: int) -> tuple[list[int | None], dict[int, str]]:
    """A column of whole numbers from 0 on, None where missing; and what cannot be read."""
    values, problems = scaled_column(column, MICROS)
    for row, value in enumerate(values):
        if value is None:
            continue
        count, rest = divmod(value, MICROS)
        if rest != 0 or not 0 <= count <= largest:
            problems[row] = f"expected a whole number from 0 to {largest}, found {column.iloc[row]}"
            values[row] = None
        else:
            values[row] = count
    return values, problems


def instants(
    column: pd.Series[Any], time_zone: str | None
) -> tuple[list[int | None], dict[int, str]]:
    """A column of times as microseconds since 1970, None where missing; and what cannot be read.

    Times without a zone are the wall clock of `time_zone`: the earlier instant where a clock shows
    a time twice, the one after the gap where it skips it.
    """
    if not isinstance(column.dtype, (np.dtype, pd.DatetimeTZDtype)) or column.dtype.kind != "M":
        return _parsed_instants(column, time_zone)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        utc = column.dt.tz_convert("UTC").dt.tz_localize(None)
    elif time_zone is None:
        raise ValueError(
            f"{column.name}: these times have no zone; say which clock they were read from, "
            "with time_zone='Europe/London' for example"
        )
    else:
        aware = column.dt.tz_localize(time_zone, ambiguous="NaT", nonexistent="NaT")
        utc = aware.dt.tz_convert("UTC").dt.tz_localize(None)
        odd = utc.isna() & column.notna()
        if odd.any():
            zone = zoneinfo.ZoneInfo(time_zone)
            values = _micros(utc)
            for row in np.flatnonzero(odd.to_numpy()).tolist():
                values[row] = _wall_clock(pd.Timestamp(column.iloc[row]), zone)
            return values, {}
    return _micros(utc), {}


def _micros(utc: pd.Series[Any]) -> list[int | None]:
    raw = utc.to_numpy("datetime64[us]")
    values: list[int | None] = raw.astype("int64").tolist()
    for row in np.flatnonzero(np.isnat(raw)).tolist():
        values[row] = None
    return values


def _wall_clock(naive: pd.Timestamp, zone: zoneinfo.ZoneInfo) -> int:
    # With fold=0 Python takes the offset before the change: the earlier of two instants, and past
    # the gap by its length.
    aware = naive.to_pydatetime(warn=False).replace(tzinfo=zone, fold=0)
    return _since_1970(pd.Timestamp(aware.astimezone(datetime.timezone.utc)))


def _parsed_instants(
    column: pd.Series[Any], time_zone: str | None
) -> tuple[list[int | None], dict[int, str]]:
    zone = None if time_zone is None else zoneinfo.ZoneInfo(time_zone)
    values: list[int | None] = []
    problems: dict[int, str] = {}
    for row, value in enumerate(column.tolist()):
        micros = None
        if not (is_missing(value) or value == ""):
            try:
                # A bare number could be seconds or nanoseconds, and a text of digits a year.
                if isinstance(value, (int, float, np.number)):
                    raise ValueError
                time = pd.Timestamp(value)
                if time.tzinfo is not None:
                    micros = _since_1970(time.tz_convert("UTC"))
                elif zone is not None:
                    micros = _wall_clock(time, zone)
                else:
                    problems[row] = f"expected a time with its zone, found {value!r}"
            except (ValueError, OverflowError, TypeError):
                problems[row] = f"expected a time, found {value!r}"
        values.append(micros)
    return values, problems


def money(micros: int) -> decimal.Decimal:
    """Money in currency units, exact."""
    return decimal.Decimal(micros) / MICROS


def units(thousandths: int) -> decimal.Decimal:
    """A quantity in units, exact."""
    return decimal.Decimal(thousandths) / THOUSANDTHS


def series_name(group: str, value: str) -> str:
    """The ``unique_id`` of a series; the value is empty for all others of a group."""
    return group if group == "total" else f"{group}={value}"
