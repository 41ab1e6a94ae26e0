"""The features in Polars. Run as a program: computes them into a Parquet file, prints `seconds=`.

Two ways of asking for several dates, of which `compare.py` takes the faster: `join` crosses the
lines with the list of dates and groups by date and customer, `loop` runs the query once per date.
Either way the file is read and its lines are cleaned once.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from pathlib import Path

from schema import FEATURES, WINDOWS, Schema, instant, local_day, offsets

DAY = 86_400_000_000
FOREVER = 2**62
KEYS = ["as_of", "customer"]


def run(path: Path, schema: Schema, as_ofs: list[int], strategy: str, engine: str, output: Path) -> None:
    lines = clean(path, schema.time_zone, max(as_ofs), engine)
    parts = [as_ofs] if strategy == "join" else [[as_of] for as_of in as_ofs]
    found = [vectors(lines, part, schema, engine) for part in parts]
    pl.concat(found).write_parquet(output, compression="snappy")


def scaled(name: str, scale: float) -> pl.Expr:
    """A column in whole micros or thousandths; sums of them are exact."""
    return (pl.col(name).cast(pl.Float64) * scale).round()


def clean(path: Path, zone: str, latest: int, engine: str) -> pl.DataFrame:
    """The lines of customers with narrow types, a number for texts, and when each was superseded."""
    file = pl.scan_parquet(path, row_index_name="row")
    sold, known = pl.col("occurred_at").dt.epoch("us"), pl.col("recorded_at").dt.epoch("us")
    order = pl.col("order_id")
    identified = file.filter(known < latest).filter(order.is_not_null(), pl.col("line_number").is_not_null())
    identified = identified.select("row", "order_id", "line_number", known.alias("known"))
    identity = ["order_id", "line_number"]
    repeated = identified.group_by(identity).len().filter(pl.col("len") > 1)
    superseded = identified.join(repeated, on=identity, how="semi", maintain_order="left").with_columns(
        superseded=pl.col("known").shift(-1).over(identity)
    ).select("row", "superseded")
    cancelled = file.select(order_id="cancels_order_id").drop_nulls().unique().with_row_index("number")
    cancelled = cancelled.collect(engine=engine).lazy()

    first, last = file.select(sold.min().alias("first"), sold.max().alias("last")).collect(engine=engine).row(0)
    changes = offsets(zone, first, last)
    offset = pl.lit(changes[0][1])
    for at, micros in changes[1:]:
        offset = pl.when(sold >= at).then(pl.lit(micros)).otherwise(offset)
    quantity, discount = scaled("quantity", 1e3), scaled("discount", 1e6).fill_null(0)
    price = (pl.col("quantity").cast(pl.Float64) * pl.col("unit_price").cast(pl.Float64) * 1e6).round()
    cost = (pl.col("quantity").cast(pl.Float64) * pl.col("unit_cost").cast(pl.Float64) * 1e6).round()
    wall = sold + offset
    return (
        file.filter(known < latest, sold < latest, pl.col("customer_id").is_not_null())
        .join(superseded, on="row", how="left")
        .join(cancelled, on="order_id", how="left")
        .join(cancelled.select(cancels_order_id="order_id", cancels="number"), on="cancels_order_id", how="left")
        .select(
            pl.col("customer_id").cast(pl.Categorical).alias("customer"),
            pl.col("product_id").cast(pl.Categorical).alias("product"),
            pl.col("category").str.splitn("/", 2).struct.field("field_0").cast(pl.Categorical).alias("category"),
            pl.col("channel").cast(pl.Categorical),
            pl.col("store_id").cast(pl.Categorical).alias("store"),
            pl.col("promotion_id").is_not_null().alias("is_promoted"),
            pl.col("number").alias("order"), "cancels",
            sold.alias("sold"), known.alias("known"), pl.col("superseded").fill_null(FOREVER),
            (wall // DAY).cast(pl.Int32).alias("day"),
            (wall % DAY >= 18 * 3_600_000_000).alias("is_evening"),
            quantity.alias("quantity"), discount.alias("discount"), cost.alias("cost"),
            (price + pl.when(quantity < 0).then(discount).otherwise(-discount)).alias("amount"),
        )
        .with_columns(category=pl.when(pl.col("category").cast(pl.String) != "").then("category"))
        .collect(engine=engine)
    )


def vectors(lines: pl.DataFrame, as_ofs: list[int], schema: Schema, engine: str) -> pl.DataFrame:
    """The features of every customer seen before each date."""
    as_of = pl.col("as_of")
    dates = pl.DataFrame({"as_of": as_ofs}, schema={"as_of": pl.Int64}).lazy()
    if len(as_ofs) == 1:
        dated = lines.lazy().with_columns(as_of=pl.lit(as_ofs[0], pl.Int64))
    else:
        dated = lines.lazy().join(dates, how="cross")
    seen = dated.filter(pl.col("sold") < as_of, pl.col("known") < as_of, pl.col("superseded") >= as_of)
    marked = mark(seen).collect(engine=engine).lazy()
    parts = [totals(marked, schema), *bought_only(marked.filter("bought"))]
    first, *others = pl.collect_all(parts, engine=engine)
    joined = first.lazy()
    for other in others:
        joined = joined.join(other.lazy(), on=KEYS, how="left")
    return joined.select(
        pl.col("customer").cast(pl.String).alias("customer_id"),
        pl.from_epoch("as_of", "us").dt.replace_time_zone("UTC"),
        *feature_columns(as_ofs, schema),
    ).collect(engine=engine)


def mark(seen: pl.LazyFrame) -> pl.LazyFrame:
    """The lines with whether they count as bought: no return, and not of an order taken back whole."""
    order = [*KEYS, "order"]
    units = pl.col("quantity").sum()
    named = seen.filter(pl.col("cancels").is_not_null()).group_by(*KEYS, order="cancels").agg(taken=units)
    own = seen.filter(pl.col("order").is_not_null()).group_by(order).agg(units=units)
    gone = named.join(own, on=order, how="left").filter(pl.col("taken") + pl.col("units").fill_null(0) <= 0)
    gone = gone.select(*order, gone=pl.lit(True))
    bought = (pl.col("quantity") > 0) & pl.col("gone").is_null()
    return seen.join(gone, on=order, how="left").with_columns(
        bought=bought, gross=pl.when(bought).then("amount").otherwise(0.0)
    ).drop("gone", "known", "superseded", "order", "cancels")


def totals(marked: pl.LazyFrame, schema: Schema) -> pl.LazyFrame:
    """What needs one pass over the lines of a customer."""
    as_of, amount, gross, quantity = (pl.col(name) for name in ("as_of", "amount", "gross", "quantity"))
    bought, sold = pl.col("bought"), pl.col("sold")
    found = [
        pl.when(bought).then(sold).min().alias("first"), pl.when(bought).then(sold).max().alias("last"),
        bought.sum().alias("lines"), quantity.sum().alias("units"), amount.sum().alias("spend"),
        (amount - pl.col("cost")).sum().alias("margin"),
        pl.when(pl.col("cost").is_not_null()).then(amount).sum().alias("costed"), gross.sum(),
        pl.when(bought).then(quantity).sum().alias("bought_units"),
        pl.when("is_promoted").then(gross).sum().alias("promoted"),
        pl.when(bought).then("discount").sum().alias("discount"),
        pl.when(quantity < 0).then(amount.abs()).sum().alias("returned"),
        (quantity < 0).sum().alias("return_lines"),
        (bought & ((pl.col("day") + 3) % 7 >= 5)).sum().alias("weekend"),
        (bought & pl.col("is_evening")).sum().alias("evening"),
        pl.when(sold >= as_of - 90 * DAY).then(gross).sum().alias("recent_gross"),
    ]
    for days in WINDOWS:
        inside = sold >= as_of - days * DAY
        found.append(pl.when(inside).then(amount).sum().alias(f"spend_{days}d"))
        found.append(pl.when(inside).then(quantity).sum().alias(f"units_{days}d"))
    attribute = "product" if schema.ranks_products else "category"
    for rank, value in enumerate(schema.top_values, 1):
        found.append(pl.when(pl.col(attribute) == value).then(gross).sum().alias(f"top_{rank}"))
    found += [pl.lit(0.0).first().alias(f"top_{rank}") for rank in range(len(schema.top_values) + 1, 6)]
    return marked.group_by(KEYS).agg(found)


def bought_only(bought: pl.LazyFrame) -> list[pl.LazyFrame]:
    """What needs a grouping finer than the customer."""
    visit = bought.group_by(*KEYS, "day").agg(pl.col("amount").sum().alias("spend"), pl.col("sold").max())
    same = (pl.col("customer") == pl.col("customer").shift()) & (pl.col("as_of") == pl.col("as_of").shift())
    visit = visit.sort(*KEYS, "day").with_columns(gap=pl.when(same).then(pl.col("day").diff()))
    visits = visit.group_by(KEYS).agg(
        pl.len().alias("visit_count"), pl.col("spend").max().alias("largest"),
        (pl.col("day").max() - pl.col("day").min()).alias("span"), (pl.col("gap") ** 2).sum().alias("squares"),
        *((pl.col("sold") >= pl.col("as_of") - days * DAY).sum().alias(f"visits_{days}d") for days in WINDOWS),
    )
    per_day = bought.group_by(*KEYS, "product", "day").agg(pl.len().cast(pl.Int64))
    # The day above the count in one number: the least is the first day's.
    first = (pl.col("day").cast(pl.Int64) * 2**32 + pl.col("len")).min() % 2**32
    product = per_day.group_by(*KEYS, "product").agg((pl.col("len").sum() - first).alias("repeats"))
    products = product.group_by(KEYS).agg(pl.len().alias("products"), pl.col("repeats").sum())
    categories = bought.filter(pl.col("category").is_not_null()).group_by(*KEYS, "category").len()
    found = [visits, products, categories.group_by(KEYS).agg(pl.len().alias("categories"))]
    for name in ("store", "channel"):
        lines = bought.filter(pl.col(name).is_not_null()).group_by(*KEYS, name).len()
        found.append(lines.group_by(KEYS).agg(pl.len().alias(f"{name}s"), pl.col("len").max().alias(f"main_{name}")))
    return found


def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """`part / whole`, 0 where the whole is not positive."""
    return pl.when(whole > 0).then(part / whole).otherwise(0.0)


def feature_columns(as_ofs: list[int], schema: Schema) -> list[pl.Expr]:
    """All features in their order, with what a customer who bought nothing gets."""
    def angle(as_of: int) -> float:
        return math.tau * (local_day(as_of, schema.time_zone) % 365.2425) / 365.2425

    none = {"recency_days": 3650.0, "frequency_variation": 1.0, "basket_variation": 1.0}
    bought = pl.col("lines") > 0
    found = {name: pl.when(bought).then(value.cast(pl.Float64)).otherwise(none.get(name, 0.0))
             for name, value in formulas().items()}
    for name, function in (("season_sin", math.sin), ("season_cos", math.cos)):
        values = [function(angle(as_of)) for as_of in as_ofs]
        found[name] = pl.col("as_of").replace_strict(as_ofs, values, return_dtype=pl.Float64)
    return [found[name].cast(pl.Float32).alias(name) for name in FEATURES]


def formulas() -> dict[str, pl.Expr]:
    """Every feature of a customer who bought something."""
    col = pl.col
    visits, lines, gross = col("visit_count"), col("lines"), col("gross")
    recency, tenure = (col("as_of") - col("last")) / DAY, (col("as_of") - col("first")) / DAY
    gaps = visits.cast(pl.Int64) - 1
    mean = pl.when(gaps > 0).then(col("span") / gaps).otherwise(0.0)
    recent_visits = col("visits_90d").cast(pl.Int64)
    earlier_visits = visits.cast(pl.Int64) - recent_visits
    rate = share(earlier_visits, tenure - 90)
    recent, earlier = share(col("recent_gross"), recent_visits), share(gross - col("recent_gross"), earlier_visits)
    found = {
        "recency_days": recency, "tenure_days": tenure, "active_span_days": col("span"),
        "visits": visits, "lines": lines, "units": col("units") / 1e3, "spend": col("spend") / 1e6,
        "margin": col("margin") / 1e6, "margin_known_share": share(col("costed"), col("spend")),
        "average_order_value": gross / 1e6 / visits, "largest_visit_spend": col("largest") / 1e6,
        "units_per_visit": col("bought_units") / 1e3 / visits, "lines_per_visit": lines / visits,
        "average_unit_price": share(gross / 1e6, col("bought_units") / 1e3),
        "gap_mean_days": mean,
        "gap_std_days": pl.when(gaps > 1).then(
            pl.max_horizontal(col("squares") / gaps - mean**2, pl.lit(0.0)).sqrt()).otherwise(0.0),
        "recency_over_gap": share(recency, mean),
        "frequency_variation": pl.when(rate > 0).then(
            pl.min_horizontal(recent_visits / 90 / rate, pl.lit(100.0))).otherwise(1.0),
        "basket_variation": pl.when((recent > 0) & (earlier > 0)).then(
            pl.min_horizontal(recent / earlier, pl.lit(100.0))).otherwise(1.0),
        "distinct_products": col("products"), "distinct_categories": col("categories").fill_null(0),
        "distinct_stores": col("stores").fill_null(0), "distinct_channels": col("channels").fill_null(0),
        "product_repeat_share": col("repeats") / lines,
        "main_store_share": col("main_store").fill_null(0) / lines,
        "main_channel_share": col("main_channel").fill_null(0) / lines,
        "promotion_share": share(col("promoted"), gross),
        "discount_share": share(col("discount"), gross + col("discount")),
        "return_rate": pl.min_horizontal(share(col("returned"), gross), pl.lit(1.0)),
        "return_line_share": col("return_lines") / (col("return_lines") + lines),
        "weekend_share": col("weekend") / lines, "evening_share": col("evening") / lines,
    }
    for days in WINDOWS:
        found |= {f"spend_{days}d": col(f"spend_{days}d") / 1e6, f"units_{days}d": col(f"units_{days}d") / 1e3,
                  f"visits_{days}d": col(f"visits_{days}d")}
    return found | {f"top_share_{rank}": share(col(f"top_{rank}"), gross) for rank in range(1, 6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parquet", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--as-of", action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--strategy", choices=("join", "loop"), default="loop")
    parser.add_argument("--engine", choices=("streaming", "in-memory"), default="streaming")
    args = parser.parse_args()
    started = time.perf_counter()
    run(args.parquet, Schema.read(args.schema), [instant(text) for text in args.as_of],
        args.strategy, args.engine, args.output)
    print(f"seconds={time.perf_counter() - started:.4f}")


# Polars reads its number of threads when it is imported.
os.environ.setdefault("POLARS_MAX_THREADS", "2")
import polars as pl  # noqa: E402

if __name__ == "__main__":
    main()
