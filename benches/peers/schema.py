"""Names of the features, and the schema that fixes which categories `top_share_*` follow."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

WINDOWS = (7, 30, 90, 180, 365)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

FEATURES = (
    "recency_days tenure_days active_span_days visits lines units spend margin margin_known_share "
    "average_order_value largest_visit_spend units_per_visit lines_per_visit average_unit_price "
    "gap_mean_days gap_std_days recency_over_gap "
    + " ".join(f"spend_{days}d visits_{days}d units_{days}d" for days in WINDOWS)
    + " frequency_variation basket_variation distinct_products distinct_categories distinct_stores "
    "distinct_channels product_repeat_share main_store_share main_channel_share promotion_share "
    "discount_share top_share_1 top_share_2 top_share_3 top_share_4 top_share_5 return_rate "
    "return_line_share weekend_share evening_share season_sin season_cos"
).split()


@dataclass(frozen=True)
class Schema:
    """What was fitted on the data set; the JSON form is Patron's."""

    version: int
    time_zone: str
    top_attribute: str
    top_values: list[str]

    @property
    def ranks_products(self) -> bool:
        return self.top_attribute == "product"

    @staticmethod
    def read(path: Path) -> Schema:
        return Schema(**json.loads(path.read_text()))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)) + "\n")


def instant(text: str) -> int:
    """Microseconds since 1970 of a date (midnight UTC) or an RFC 3339 time."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (moment - EPOCH) // timedelta(microseconds=1)


def local_day(micros: int, zone: str) -> int:
    """Days since 1970 on the shop's calendar."""
    wall = (EPOCH + timedelta(microseconds=micros)).astimezone(ZoneInfo(zone))
    return wall.date().toordinal() - 719_163


def offsets(zone: str, first: int, last: int) -> list[tuple[int, int]]:
    """The zone's offsets from UTC between two instants, all in microseconds.

    Each entry is (from, offset); the first one holds before its time too. A table of a handful of
    rows replaces a calendar look-up per line.
    """
    hour = 3_600_000_000
    place = ZoneInfo(zone)

    def offset(at: int) -> int:
        return (EPOCH + timedelta(microseconds=at)).astimezone(place).utcoffset() // timedelta(microseconds=1)

    found = [(first, offset(first))]
    for day in range(first, last + 24 * hour, 24 * hour):
        if offset(day + 24 * hour) == found[-1][1]:
            continue
        low, high = day, day + 24 * hour
        while high - low > 1_000_000:
            middle = (low + high) // 2_000_000 * 1_000_000
            low, high = (low, middle) if offset(middle) != found[-1][1] else (middle, high)
        found.append((high // 1_000_000 * 1_000_000, offset(high)))
    return found
