"""A small Parquet file that has every case the feature definitions mention, for `--check`.

Late records, corrections (also of customer and time), anonymous lines, returns, orders taken back
whole and in part, missing costs, stores and categories, days with two visits, a time zone with
daylight saving, customers who only return goods, prices of zero.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TIME_ZONE = "Europe/Berlin"
START = 1_672_531_200_000_000  # 2023-01-01T00:00:00Z
DAY = 86_400_000_000

MAPPING = """\
[file]
format = "parquet"
[time]
zone = "{zone}"
[columns]
{columns}
[recorded_at]
column = "recorded_at"
"""

COLUMNS = (
    "customer_id order_id line_number occurred_at product_id category quantity unit_price discount "
    "unit_cost currency channel store_id promotion_id country cancels_order_id"
).split()


def write(directory: Path, lines: int, seed: int = 1) -> Path:
    """Writes `transactions.parquet` and `mapping.toml`; returns the Parquet file's path."""
    directory.mkdir(parents=True, exist_ok=True)
    table = pa.concat_tables([base := first_versions(lines, seed), corrections(base, seed + 1)])
    path = directory / "transactions.parquet"
    pq.write_table(table, path, compression="zstd", row_group_size=131_072)
    columns = "\n".join(f'{name} = "{name}"' for name in COLUMNS)
    (directory / "mapping.toml").write_text(MAPPING.format(zone=TIME_ZONE, columns=columns))
    return path


def first_versions(lines: int, seed: int) -> pa.Table:
    """Orders of one to eight lines over two years, some of which take back an earlier order."""
    rng = np.random.default_rng(seed)
    orders = max(lines // 4, 2)
    customers = max(lines // 60, 3)
    order = np.sort(rng.integers(0, orders, lines))
    number = np.arange(lines) - np.searchsorted(order, order) + 1
    customer = rng.integers(0, customers, orders)
    ordered_at = START + rng.integers(0, 730 * 24 * 60, orders) * 60_000_000
    cancels = np.where(rng.random(orders) < 0.04, rng.integers(0, orders, orders), -1)
    customer = np.where(cancels >= 0, customer[cancels], customer)  # cancelled by who ordered
    ordered_at = np.where(cancels >= 0, ordered_at[cancels] + rng.integers(1, 60, orders) * DAY // 2, ordered_at)
    occurred = ordered_at[order]
    late = np.where(rng.random(lines) < 0.1, rng.integers(0, 20 * 86_400, lines), 0) * 1_000_000
    quantity = rng.choice([1000, 2000, 3000, 375, 12_000], lines, p=[0.6, 0.2, 0.1, 0.05, 0.05])
    returned = (rng.random(lines) < 0.03) | (customer[order] % 41 == 7)
    quantity = np.where(returned | (cancels[order] >= 0), -quantity, quantity)
    quantity = np.where(cancels[order] >= 0, quantity * rng.choice([1, 8], lines), quantity)
    price = np.where(rng.random(lines) < 0.02, 0, rng.integers(10, 20_000, lines))
    discount = np.where(rng.random(lines) < 0.2, price // 10, 0)
    product = np.minimum(rng.zipf(1.3, lines), 500)

    def text(prefix: str, values: np.ndarray, missing: float = 0.0) -> pa.Array:
        mask = (rng.random(len(values)) < missing) | (values < 0)
        return pa.array(np.char.add(prefix, values.astype("U12")), pa.string(), mask=mask)

    paths = np.array(["food/fresh/milk", "food/dry", "toys", "toys/wood", "home/garden", "books", "wine", "bath/soap"])
    category = pa.array(paths[product % 8], pa.string(), mask=(product % 37 == 0))
    return pa.table({
        "customer_id": text("C", customer[order], 0.05),
        "order_id": text("O", order),
        "line_number": pa.array(number, pa.int32()),
        "occurred_at": pa.array(occurred, pa.timestamp("us", "UTC")),
        "product_id": text("P", product),
        "category": category,
        "quantity": pa.array(quantity / 1000, pa.float64()),
        "unit_price": pa.array(price / 100, pa.float64()),
        "discount": pa.array(discount / 100, pa.float64(), mask=rng.random(lines) < 0.1),
        "unit_cost": pa.array(price / 160, pa.float64(), mask=rng.random(lines) < 0.3),
        "currency": pa.array(["EUR"] * lines),
        "channel": text("way", rng.integers(0, 3, lines), 0.1),
        "store_id": text("S", rng.integers(0, 6, lines), 0.2),
        "promotion_id": text("A", rng.integers(0, 9, lines), 0.7),
        "country": pa.array(["DE"] * lines),
        "cancels_order_id": text("O", cancels[order]),
        "recorded_at": pa.array(occurred + late, pa.timestamp("us", "UTC")),
    })


def corrections(base: pa.Table, seed: int) -> pa.Table:
    """Later versions of one line in fifty: another quantity, customer, product or time."""
    rng = np.random.default_rng(seed)
    picked = np.sort(rng.choice(base.num_rows, max(base.num_rows // 50, 1), replace=False))
    rows = base.take(np.repeat(picked, rng.integers(1, 4, len(picked))))
    count = rows.num_rows
    # At least a second apart, so that versions of one line never share a time of recording.
    later = rng.choice(np.arange(1, 100 * 86_400), count, replace=False) * 1_000_000
    recorded = rows["recorded_at"].to_numpy().astype("int64") + later
    moved = np.where(rng.random(count) < 0.1, rng.integers(-40, 40, count) * DAY // 4, 0)
    changes = {
        "recorded_at": pa.array(recorded, pa.timestamp("us", "UTC")),
        "occurred_at": pa.array(rows["occurred_at"].to_numpy().astype("int64") + moved, pa.timestamp("us", "UTC")),
        "quantity": pa.array(np.where(rng.random(count) < 0.5, rows["quantity"].to_numpy(), rng.integers(1, 9, count))),
        "customer_id": pa.array(np.where(rng.random(count) < 0.8, rows["customer_id"].to_numpy(), "C1"), pa.string()),
    }
    for name, values in changes.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    # Known in the order of recording, as a shop's systems would send them.
    return rows.take(np.argsort(recorded, kind="stable"))
