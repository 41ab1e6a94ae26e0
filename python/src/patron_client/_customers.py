"""What is stored of a customer, and what an import read."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from . import _convert, _lines
from ._connection import Connection
from ._proto import transaction_service_pb2 as wire


@dataclasses.dataclass(frozen=True)
class Customer:
    """What is stored of a customer.

    Attributes
    ----------
    id : str
        The key.
    visits : int
        Days of the shop's calendar with at least one line that is no return.
    orders, line_count, return_count, products : int
        Different orders, lines, lines with a negative quantity, different products.
    first_visit, last_visit : pandas.Timestamp or None
        The first and the latest purchase, in UTC; None where there are returns only.
    last_recorded : pandas.Timestamp or None
        When the server learned of the latest line.
    spend : decimal.Decimal
        Sum of all amounts, returns deducted, in units of `currency`; exact.
    quantity : decimal.Decimal
        Sum of all quantities, returns deducted; exact.
    margin : decimal.Decimal or None
        Spend less cost over the lines whose cost is known; None where none is.
    currency : str
        ISO 4217 code.
    lines : pandas.DataFrame
        The stored lines, the newest first, in the form that `Client.ingest` takes, and
        `recorded_at`. Money is in units of the currency, times are in UTC.
    """

    id: str
    visits: int
    orders: int
    line_count: int
    return_count: int
    products: int
    first_visit: pd.Timestamp | None
    last_visit: pd.Timestamp | None
    last_recorded: pd.Timestamp | None
    spend: decimal.Decimal
    quantity: decimal.Decimal
    margin: decimal.Decimal | None
    currency: str
    lines: pd.DataFrame = dataclasses.field(repr=False, compare=False)


@dataclasses.dataclass(frozen=True)
class Erased:
    """A customer is gone.

    Attributes
    ----------
    lines : int
        Lines removed.
    time : pandas.Timestamp or None
        When it was done, in UTC.
    """

    lines: int
    time: pd.Timestamp | None


@dataclasses.dataclass(frozen=True)
class ImportReport:
    """What an import read, kept, changed and refused.

    Attributes
    ----------
    source, source_digest : str
        Name of the file and its SHA-256.
    rows_read, accepted, duplicates, corrected, refused : int
        Rows of the file, new lines, lines stored before, changed lines, refused rows.
    repeated_rows, anonymous, returns, cancellations, price_not_positive : int
        Rows that repeat an earlier one, lines without customer, with a negative quantity, that
        take back an order, with a price of 0 or below.
    customers, orders, products : int
        Different ones.
    first_occurred_at, last_occurred_at : pandas.Timestamp or None
        Earliest and latest sale, in UTC.
    revenue, units : decimal.Decimal
        Returns deducted; revenue in units of `currency`.
    currency : str
        ISO 4217 code.
    recorded_at_rule : str
        When the lines count as known.
    refusals_by_reason : dict of str to int
        How many rows were refused for which reason.
    first_refusals : pandas.DataFrame
        The first refused rows, at most 20: `row` (data row from 1), `field`, `message`.
    job_id : str
        The import job.
    """

    source: str
    source_digest: str
    rows_read: int
    accepted: int
    duplicates: int
    corrected: int
    refused: int
    repeated_rows: int
    anonymous: int
    returns: int
    cancellations: int
    price_not_positive: int
    customers: int
    orders: int
    products: int
    first_occurred_at: pd.Timestamp | None
    last_occurred_at: pd.Timestamp | None
    revenue: decimal.Decimal
    units: decimal.Decimal
    currency: str
    recorded_at_rule: str
    refusals_by_reason: dict[str, int]
    first_refusals: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    job_id: str


Mapped = str | pathlib.Path | Mapping[str, Any]
"""A mapping file, or its TOML, or the same as nested dictionaries."""

_COUNTS = (
    "rows_read",
    "accepted",
    "duplicates",
    "corrected",
    "refused",
    "repeated_rows",
    "anonymous",
    "returns",
    "cancellations",
    "price_not_positive",
    "customers",
    "orders",
    "products",
)


def customer(connection: Connection, customer_id: Any) -> Customer:
    """See `Client.customer`."""
    request = wire.GetCustomerRequest(customer_id=_convert.text(customer_id), page_size=1_000)
    first = page = connection.call(connection.transactions.GetCustomer, request)
    lines = list(page.lines)
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = connection.call(connection.transactions.GetCustomer, request)
        lines.extend(page.lines)
    return Customer(
        id=first.customer_id,
        visits=first.visits,
        orders=first.orders,
        line_count=first.line_count,
        return_count=first.return_count,
        products=first.products,
        first_visit=_convert.present(first, "first_visit_time"),
        last_visit=_convert.present(first, "last_visit_time"),
        last_recorded=_convert.present(first, "last_recorded_time"),
        spend=_convert.money(first.spend_micros),
        quantity=_convert.units(first.quantity_thousandths),
        margin=_convert.money(first.margin_micros) if first.HasField("margin_micros") else None,
        currency=first.currency,
        lines=_lines_frame(lines),
    )


def _lines_frame(stored: list[Any]) -> pd.DataFrame:
    lines = [one.line for one in stored]

    def money(field: str) -> list[float | None]:
        return [
            None
            if field == "unit_cost_micros" and not line.HasField(field)
            else getattr(line, field) / _convert.MICROS
            for line in lines
        ]

    numbers = [line.line_number if line.HasField("line_number") else None for line in lines]
    columns: dict[str, Any] = {
        name: [getattr(line, name) for line in lines] for name in _lines.TEXTS
    }
    times = {"occurred_at": [line.occurred_at for line in lines]}
    times["recorded_at"] = [one.recorded_at for one in stored]
    frame = pd.DataFrame(
        {
            "customer_id": columns.pop("customer_id"),
            "order_id": columns.pop("order_id"),
            "line_number": pd.array(numbers, dtype="Int64"),
            "occurred_at": _times(times["occurred_at"]),
            "product_id": columns.pop("product_id"),
            "quantity": [line.quantity_thousandths / _convert.THOUSANDTHS for line in lines],
            "unit_price": money("unit_price_micros"),
            "discount": money("discount_micros"),
            "unit_cost": pd.Series(money("unit_cost_micros"), dtype="float64"),
            **columns,
            "recorded_at": _times(times["recorded_at"]),
        }
    )
    return frame


def _times(stamps: list[Any]) -> pd.DatetimeIndex:
    return _convert.moments(_convert.micros(one) for one in stamps)


def import_report(job_id: str, raw: wire.ImportReport) -> ImportReport:
    """A report of the wire."""
    refusals = [(one.row, one.field, one.message) for one in raw.first_refusals]
    return ImportReport(
        source=raw.source,
        source_digest=raw.source_digest,
        **{name: getattr(raw, name) for name in _COUNTS},
        first_occurred_at=_convert.present(raw, "first_occurred_at"),
        last_occurred_at=_convert.present(raw, "last_occurred_at"),
        revenue=_convert.money(raw.revenue_micros),
        units=_convert.units(raw.units_thousandths),
        currency=raw.currency,
        recorded_at_rule=raw.recorded_at_rule,
        refusals_by_reason={one.reason: one.count for one in raw.refusals_by_reason},
        first_refusals=pd.DataFrame(refusals, columns=["row", "field", "message"]),
        job_id=job_id,
    )


def mapping_toml(mapping: Mapped) -> str:
    """A mapping as TOML."""
    if isinstance(mapping, pathlib.Path):
        return mapping.read_text("utf-8")
    if isinstance(mapping, str):
        is_toml = "\n" in mapping or "=" in mapping
        return mapping if is_toml else pathlib.Path(mapping).read_text("utf-8")
    tables = []
    for name, table in mapping.items():
        entries = "".join(
            f"{json.dumps(key)} = {toml_value(value)}\n" for key, value in table.items()
        )
        tables.append(f"[{json.dumps(name)}]\n{entries}")
    return "\n".join(tables)


def toml_value(value: Any) -> str:
    """A text, number, truth value, time or list as TOML."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(one) for one in value)}]"
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    if isinstance(value, (str, bool, int, float)):
        # JSON's texts, numbers and truth values are TOML's too; beyond the BMP TOML wants the
        # character itself.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"mapping: {value!r} is no text, number, truth value or list")
