"""A DataFrame of receipts as transaction lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from . import _convert

TEXTS = (
    "customer_id",
    "order_id",
    "product_id",
    "category",
    "currency",
    "channel",
    "store_id",
    "promotion_id",
    "country",
    "cancels_order_id",
)
MONEY = {
    "unit_price": "unit_price_micros",
    "discount": "discount_micros",
    "unit_cost": "unit_cost_micros",
}
FIELDS = (*TEXTS, *MONEY, "quantity", "line_number", "occurred_at")
"""What a column can fill."""
REQUIRED = ("occurred_at", "product_id", "quantity", "unit_price")
"""What every line needs."""

Columns = Mapping[str, str]
"""Field of a line to the column that fills it."""


@dataclasses.dataclass
class LineTable:
    """The lines of a frame by column, in its order.

    `values` has the entries of `TransactionLine` by their names there; `problems` tells per row
    the field that cannot be read and why: such a row never leaves this machine.
    """

    values: dict[str, list[Any]]
    problems: dict[int, tuple[str, str]]
    rows: int

    def fill(self, lines: Any, rows: Iterable[int]) -> None:
        """Appends rows to a repeated field of `TransactionLine`."""
        columns = [(name, column) for name, column in self.values.items() if name != "occurred_at"]
        times = self.values.get("occurred_at")
        for row in rows:
            line = lines.add(**{name: column[row] for name, column in columns})
            micros = None if times is None else times[row]
            if micros is not None:
                seconds, rest = divmod(micros, 1_000_000)
                line.occurred_at.seconds = seconds
                line.occurred_at.nanos = rest * 1_000

    def order(self) -> tuple[list[int], list[bool]]:
        """In which order to send the rows, and where a new stream may begin.

        The server tells equal lines without order and line number by their count within a stream,
        and it remembers the lines of a stream for a while only. So equal lines go together, right
        after the first of them, and a stream that goes on for a broken one begins before all or
        after all of them. Everything else stays in the order of the frame.
        """
        good = np.ones(self.rows, dtype=bool)
        good[list(self.problems)] = False
        frame = pd.DataFrame(
            {
                name: self.values[name]
                for name in ("customer_id", "order_id", "occurred_at", "product_id")
                if name in self.values
            },
            index=pd.RangeIndex(self.rows),
        )
        first = np.arange(self.rows)
        unnumbered = self._unnumbered()
        if unnumbered.any():
            if len(frame.columns) > 0:
                groups = frame.groupby(list(frame.columns), dropna=False, sort=False)
                key = groups.ngroup().to_numpy()
            else:
                key = np.zeros(self.rows, dtype="int64")
            _, where, inverse = np.unique(key[unnumbered], return_index=True, return_inverse=True)
            first[unnumbered] = np.flatnonzero(unnumbered)[where][inverse]
        order = np.argsort(first, kind="stable")
        order = order[good[order]]
        fresh = np.ones(len(order), dtype=bool)
        fresh[1:] = first[order][1:] != first[order][:-1]
        return order.tolist(), fresh.tolist()

    def _unnumbered(self) -> Any:
        numbers = self.values.get("line_number")
        orders = self.values.get("order_id")
        if numbers is None or orders is None:
            return np.ones(self.rows, dtype=bool)
        pairs = zip(numbers, orders, strict=True)
        return np.fromiter((n is None or o == "" for n, o in pairs), dtype=bool, count=self.rows)


def table(
    frame: pd.DataFrame,
    columns: Columns | None = None,
    *,
    constants: Mapping[str, Any] | None = None,
    time_zone: str | None = None,
    required: tuple[str, ...] = REQUIRED,
) -> LineTable:
    """Takes a frame apart.

    Parameters
    ----------
    frame
        One row per line.
    columns
        Field to column. Without it the columns that are called like a field are taken.
    constants
        Field to the value of all lines.
    time_zone
        IANA zone of times that carry none.
    required
        Fields that a column or a constant has to fill.
    """
    constants = constants or {}
    chosen = _chosen(frame, columns, constants)
    missing = [field for field in required if field not in chosen]
    if missing:
        raise ValueError(f"no column fills {', '.join(missing)}; map them with columns={{...}}")
    values: dict[str, list[Any]] = {}
    problems: dict[int, tuple[str, str]] = {}
    # In the order of FIELDS, so that the field told of a row does not depend on the frame's.
    for field in (name for name in FIELDS if name in chosen):
        name, column, unread = _read(field, chosen[field], time_zone)
        if field in constants:  # a column of one row that stands for all
            column = column * len(frame)
            unread = dict.fromkeys(range(len(frame)), unread[0]) if unread else {}
        values[name] = column
        for row, message in unread.items():
            problems.setdefault(row, (field, message))
    return LineTable(values, problems, len(frame))


def _chosen(
    frame: pd.DataFrame, columns: Columns | None, constants: Mapping[str, Any]
) -> dict[str, pd.Series[Any]]:
    if columns is None:
        columns = {field: field for field in FIELDS if field in frame.columns}
    unknown = sorted({*columns, *constants} - set(FIELDS))
    if unknown:
        raise ValueError(
            f"a line has no field {', '.join(unknown)}; its fields are {', '.join(FIELDS)}"
        )
    absent = sorted(name for name in columns.values() if name not in frame.columns)
    if absent:
        raise ValueError(f"the frame has no column {', '.join(map(repr, absent))}")
    twice = sorted(name for name in columns.values() if isinstance(frame[name], pd.DataFrame))
    if twice:
        raise ValueError(f"the frame has several columns {', '.join(map(repr, twice))}")
    chosen: dict[str, pd.Series[Any]] = {field: frame[name] for field, name in columns.items()}
    for field, value in constants.items():
        chosen[field] = pd.Series([value], name=field)
    return chosen


def _read(
    field: str, column: pd.Series[Any], time_zone: str | None
) -> tuple[str, list[Any], dict[int, str]]:
    if field in TEXTS:
        texts = _convert.texts(column)
        return field, texts, _not_unicode(texts)
    if field == "occurred_at":
        micros, problems = _convert.instants(column, time_zone)
        return field, micros, problems
    if field == "line_number":
        numbers, problems = _convert.whole_column(column, 2**32 - 1)
        return field, numbers, problems
    if field == "quantity":
        counts, problems = _convert.scaled_column(column, _convert.THOUSANDTHS)
        return "quantity_thousandths", counts, problems
    amounts, problems = _convert.scaled_column(column, _convert.MICROS)
    return MONEY[field], amounts, problems


def _not_unicode(texts: list[str]) -> dict[int, str]:
    """Texts with half a surrogate pair, which no message can carry."""
    if "".join(texts).isprintable():
        return {}
    problems = {}
    for row, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            problems[row] = f"expected Unicode text, found {text!a}"
    return problems
