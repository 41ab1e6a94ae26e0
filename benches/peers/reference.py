"""The features in slow plain Python, one customer and one line at a time, as a check on the others.

Written from the table in `src/domain/feature/definition.rs`; it shares no code with Patron or the peers.
Money is in whole micros and quantities in whole thousandths, so no sum depends on its order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Iterable
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from schema import FEATURES, Schema

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
DAY = 86_400_000_000
WINDOWS = (7, 30, 90, 180, 365)
Line = dict[str, Any]


@dataclass
class Version:
    """One version of a line and when a correction took its place."""

    line: Line
    superseded_at: float = math.inf


def micros(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // timedelta(microseconds=1)


def local_day(instant: int, zone: ZoneInfo) -> tuple[int, int]:
    """Day since 1970 and minute of the day on the shop's wall clock."""
    wall = (EPOCH + timedelta(microseconds=instant)).astimezone(zone)
    return wall.date().toordinal() - 719_163, wall.hour * 60 + wall.minute


def scaled(value: float | None, scale: int) -> int:
    return round(Fraction(str(value)) * scale) if value is not None else 0


def read(path: Path, zone: ZoneInfo) -> list[Version]:
    """All versions of all lines, in the order of the file."""
    versions: list[Version] = []
    current: dict[Any, Version] = {}
    for row in pq.read_table(path).to_pylist():
        quantity, price = scaled(row["quantity"], 1000), scaled(row["unit_price"], 10**6)
        discount = scaled(row["discount"], 10**6)
        gross = round(Fraction(quantity * price, 1000))
        amount = gross + discount if quantity < 0 else gross - discount
        cost = row["unit_cost"]
        margin = None if cost is None else amount - round(Fraction(quantity * scaled(cost, 10**6), 1000))
        at = micros(row["occurred_at"])
        day, minute = local_day(at, zone)
        line = row | {
            "at": at, "known": micros(row["recorded_at"]), "day": day, "minute": minute,
            "quantity": quantity, "discount": discount, "amount": amount, "margin": margin,
            "top": row["category"].split("/")[0] if row["category"] else None,
        }
        version = Version(line)
        if row["order_id"] is not None and row["line_number"] is not None:
            identity = (row["order_id"], row["line_number"])
            if identity in current:
                current[identity].superseded_at = line["known"]
            current[identity] = version
        versions.append(version)
    return versions


def top_values(versions: list[Version], as_of: int, zone: ZoneInfo) -> tuple[str, list[str]]:
    """What the schema is fitted to: the attribute and its five values of most gross spend."""
    end = local_day(as_of, zone)[0]
    sums: dict[str, dict[str, int]] = {"category": defaultdict(int), "product": defaultdict(int)}
    for version in versions:
        line = version.line
        if version.superseded_at == math.inf and line["day"] < end and line["quantity"] > 0:
            sums["product"][line["product_id"]] += line["amount"]
            if line["top"]:
                sums["category"][line["top"]] += line["amount"]
    attribute = "category" if any(sums["category"].values()) else "product"
    ranked = sorted((-spend, value) for value, spend in sums[attribute].items() if spend > 0)
    return attribute, [value for _, value in ranked[:5]]


def features(versions: list[Version], as_of: int, schema: Schema) -> dict[str, list[float]]:
    """The vector of every customer with a visible line, by customer."""
    seen: dict[str, list[Line]] = defaultdict(list)
    for version in versions:
        line = version.line
        if line["at"] < as_of and line["known"] < as_of <= version.superseded_at and line["customer_id"]:
            seen[line["customer_id"]].append(line)
    return {customer: vector(lines, as_of, schema) for customer, lines in seen.items()}


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0


def taken_back(lines: list[Line]) -> set[str]:
    """Orders whose units were all taken back by lines that name them."""
    named = {line["cancels_order_id"] for line in lines if line["cancels_order_id"]}
    units = {order: 0 for order in named}
    for line in lines:
        for order in (line["cancels_order_id"], line["order_id"]):
            if order in named:
                units[order] += line["quantity"]
    return {order for order, left in units.items() if left <= 0}


def sums(lines: Iterable[Line], key: str, value: Callable[[Line], int]) -> dict[Any, int]:
    found: dict[Any, int] = defaultdict(int)
    for line in lines:
        if line[key]:
            found[line[key]] += value(line)
    return found


def vector(lines: list[Line], as_of: int, schema: Schema) -> list[float]:
    """The features of one customer's visible lines, in the order of the vector."""
    gone = taken_back(lines)
    bought = [line for line in lines if line["quantity"] > 0 and line["order_id"] not in gone]
    angle = math.tau * (local_day(as_of, ZoneInfo(schema.time_zone))[0] % 365.2425) / 365.2425
    found = {"season_sin": math.sin(angle), "season_cos": math.cos(angle)}
    if not bought:
        none = {"recency_days": 3650.0, "frequency_variation": 1.0, "basket_variation": 1.0}
        return [(found | none).get(name, 0.0) for name in FEATURES]
    found |= money(lines, bought) | visits(lines, bought, as_of) | variety(bought, schema)
    return [found[name] for name in FEATURES]


def money(lines: list[Line], bought: list[Line]) -> dict[str, float]:
    returns = [line for line in lines if line["quantity"] < 0]
    costed = [line for line in lines if line["margin"] is not None]
    days = {line["day"] for line in bought}
    by_day = sums([line | {"day": str(line["day"])} for line in bought], "day", lambda line: line["amount"])
    spend = sum(line["amount"] for line in lines)
    gross = sum(line["amount"] for line in bought)
    units = sum(line["quantity"] for line in bought)
    discount = sum(line["discount"] for line in bought)
    promoted = sum(line["amount"] for line in bought if line["promotion_id"])
    return {
        "visits": len(days),
        "lines": len(bought),
        "units": sum(line["quantity"] for line in lines) / 1e3,
        "spend": spend / 1e6,
        "margin": sum(line["margin"] for line in costed) / 1e6,
        "margin_known_share": share(sum(line["amount"] for line in costed), spend),
        "average_order_value": gross / 1e6 / len(days),
        "largest_visit_spend": max(by_day.values()) / 1e6,
        "units_per_visit": units / 1e3 / len(days),
        "lines_per_visit": len(bought) / len(days),
        "average_unit_price": share(gross / 1e6, units / 1e3),
        "promotion_share": share(promoted, gross),
        "discount_share": share(discount, gross + discount),
        "return_rate": min(share(sum(abs(line["amount"]) for line in returns), gross), 1.0),
        "return_line_share": len(returns) / (len(returns) + len(bought)),
        "weekend_share": sum((line["day"] + 3) % 7 >= 5 for line in bought) / len(bought),
        "evening_share": sum(line["minute"] >= 18 * 60 for line in bought) / len(bought),
    }


def visits(lines: list[Line], bought: list[Line], as_of: int) -> dict[str, float]:
    days = sorted({line["day"] for line in bought})
    gaps = [later - earlier for earlier, later in zip(days, days[1:])]
    mean = share(sum(gaps), len(gaps))
    first, last = min(line["at"] for line in bought), max(line["at"] for line in bought)
    found = {
        "recency_days": (as_of - last) / DAY,
        "tenure_days": (as_of - first) / DAY,
        "active_span_days": sum(gaps),
        "gap_mean_days": mean,
        "gap_std_days": math.sqrt(share(sum((gap - mean) ** 2 for gap in gaps), len(gaps))),
        "recency_over_gap": share((as_of - last) / DAY, mean),
    }
    for window in WINDOWS:
        start = as_of - window * DAY
        recent = [line for line in lines if line["at"] >= start]
        found[f"spend_{window}d"] = sum(line["amount"] for line in recent) / 1e6
        found[f"units_{window}d"] = sum(line["quantity"] for line in recent) / 1e3
        found[f"visits_{window}d"] = len({line["day"] for line in bought if line["at"] >= start})
    recent_visits = found["visits_90d"]
    earlier_visits = len(days) - recent_visits
    rate = share(earlier_visits, found["tenure_days"] - 90)
    recent_gross = sum(line["amount"] for line in bought if line["at"] >= as_of - 90 * DAY)
    earlier_gross = sum(line["amount"] for line in bought) - recent_gross
    recent, earlier = share(recent_gross, recent_visits), share(earlier_gross, earlier_visits)
    found["frequency_variation"] = min(recent_visits / 90 / rate, 100.0) if rate > 0 else 1.0
    found["basket_variation"] = min(recent / earlier, 100.0) if recent > 0 and earlier > 0 else 1.0
    return found


def variety(bought: list[Line], schema: Schema) -> dict[str, float]:
    first_day: dict[str, int] = {}
    for line in bought:
        product = line["product_id"]
        first_day[product] = min(first_day.get(product, line["day"]), line["day"])
    categories = sums(bought, "top", lambda line: line["amount"])
    stores, channels = sums(bought, "store_id", lambda _: 1), sums(bought, "channel", lambda _: 1)
    top = sums(bought, "product_id", lambda line: line["amount"]) if schema.ranks_products else categories
    gross = sum(line["amount"] for line in bought)
    found = {
        "distinct_products": len(first_day),
        "distinct_categories": len(categories),
        "distinct_stores": len(stores),
        "distinct_channels": len(channels),
        "product_repeat_share": sum(line["day"] > first_day[line["product_id"]] for line in bought) / len(bought),
        "main_store_share": max(stores.values(), default=0) / len(bought),
        "main_channel_share": max(channels.values(), default=0) / len(bought),
    }
    for rank in range(5):
        value = schema.top_values[rank] if rank < len(schema.top_values) else None
        found[f"top_share_{rank + 1}"] = share(top.get(value, 0), gross)
    return found
