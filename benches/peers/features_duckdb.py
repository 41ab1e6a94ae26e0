"""The features in DuckDB SQL. Run as a program: computes them into a Parquet file, prints `seconds=`.

Two ways of asking for several dates, of which `compare.py` takes the faster: `join` joins the lines
with the list of dates and groups by date and customer, `loop` runs the query once per date. Either
way the file is read and its lines are cleaned once.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import duckdb

from schema import FEATURES, WINDOWS, Schema, instant, local_day, offsets

DAY = 86_400_000_000
FOREVER = 2**62

# Money is held in whole micros and quantities in whole thousandths, both as DOUBLE: such sums are
# exact up to 2^53 and faster than those of HUGEINT. Texts that are grouped by become numbers. Only
# lines that were corrected take part in the window function, and only orders that some line
# cancels get a number.
CLEAN = """
CREATE TEMP TABLE superseded AS
WITH known AS (SELECT order_id, line_number, recorded_at, file_row_number FROM {file} WHERE {known}),
repeated AS (SELECT order_id, line_number FROM known
             WHERE order_id IS NOT NULL AND line_number IS NOT NULL GROUP BY ALL HAVING count(*) > 1)
SELECT file_row_number,
       epoch_us(lead(recorded_at) OVER (PARTITION BY order_id, line_number ORDER BY file_row_number)) AS sold
FROM known SEMI JOIN repeated USING (order_id, line_number);

CREATE TEMP TABLE customer AS
SELECT customer_id, row_number() OVER ()::INTEGER AS customer
FROM (SELECT DISTINCT customer_id FROM {file} WHERE customer_id IS NOT NULL);

CREATE TEMP TABLE product AS
SELECT product_id AS text, row_number() OVER ()::INTEGER AS number
FROM (SELECT DISTINCT product_id FROM {file});

CREATE TEMP TABLE category AS
SELECT path, split_part(path, '/', 1) AS text, dense_rank() OVER (ORDER BY text)::SMALLINT AS number
FROM (SELECT DISTINCT category AS path FROM {file}) WHERE text != '';

CREATE TEMP TABLE store AS
SELECT store_id AS text, row_number() OVER ()::INTEGER AS number
FROM (SELECT DISTINCT store_id FROM {file} WHERE store_id IS NOT NULL);

CREATE TEMP TABLE channel AS
SELECT channel AS text, row_number() OVER ()::INTEGER AS number
FROM (SELECT DISTINCT channel FROM {file} WHERE channel IS NOT NULL);

CREATE TEMP TABLE cancelled AS
SELECT order_id, row_number() OVER ()::INTEGER AS number
FROM (SELECT DISTINCT cancels_order_id AS order_id FROM {file} WHERE cancels_order_id IS NOT NULL);

CREATE TEMP TABLE line AS
WITH typed AS (
  SELECT file_row_number, customer_id, product_id, order_id, cancels_order_id, category, channel, store_id,
         promotion_id IS NOT NULL AS is_promoted,
         epoch_us(occurred_at) AS sold, epoch_us(recorded_at) AS known, epoch_us(occurred_at) + {offset} AS wall,
         round(quantity::DOUBLE * 1e3) AS quantity,
         round(quantity::DOUBLE * unit_price::DOUBLE * 1e6) AS price,
         round(coalesce(discount::DOUBLE, 0) * 1e6) AS discount,
         round(quantity::DOUBLE * unit_cost::DOUBLE * 1e6) AS cost
  FROM {file} WHERE {known} AND {occurred})
SELECT customer, product.number AS product, category.number AS category, channel.number AS channel,
       store.number AS store, own.number AS order_number, named.number AS cancels,
       typed.sold, known, coalesce(superseded.sold, {forever}) AS superseded,
       (wall // {day})::INTEGER AS day, wall % {day} >= {evening} AS is_evening, is_promoted, quantity,
       price + if(quantity < 0, discount, -discount) AS amount, discount, cost
FROM typed
JOIN customer USING (customer_id)
JOIN product ON product.text = product_id
LEFT JOIN category ON category.path = typed.category
LEFT JOIN channel ON channel.text = typed.channel
LEFT JOIN store ON store.text = store_id
LEFT JOIN superseded USING (file_row_number)
LEFT JOIN cancelled own ON own.order_id = typed.order_id
LEFT JOIN cancelled named ON named.order_id = typed.cancels_order_id;
"""

# `{dates}` is the list of as-of dates: all of them, or one.
QUERY = """
WITH date AS (FROM (VALUES {dates}) AS date (t, as_of, sine, cosine)),
seen AS ({seen}),
cancels AS (SELECT t, customer, cancels AS order_number, sum(quantity) AS units FROM seen
            WHERE cancels IS NOT NULL GROUP BY ALL),
own AS (SELECT t, customer, order_number, sum(quantity) AS units FROM seen
        WHERE order_number IS NOT NULL GROUP BY ALL),
gone AS (SELECT t, customer, order_number FROM cancels LEFT JOIN own USING (t, customer, order_number)
         WHERE cancels.units + coalesce(own.units, 0) <= 0),
marked AS MATERIALIZED (
  SELECT seen.*, quantity > 0 AND gone.t IS NULL AS bought,
         if(bought, amount, 0) AS gross, if(quantity < 0, amount, 0) AS returned
  FROM seen LEFT JOIN gone USING (t, customer, order_number)),
totals AS (
  SELECT t, customer, min(sold) FILTER (bought) AS first_sold, max(sold) FILTER (bought) AS last_sold,
    count(*) FILTER (bought) AS lines, sum(quantity) / 1e3 AS units, sum(amount) AS spend,
    sum(amount - cost) AS margin, sum(if(cost IS NULL, 0, amount)) AS costed, sum(gross) AS gross,
    sum(if(bought, quantity, 0)) / 1e3 AS bought_units,
    sum(if(is_promoted, gross, 0)) AS promoted, sum(if(bought, discount, 0)) AS discount,
    sum(abs(returned)) AS returned, count(*) FILTER (quantity < 0) AS return_lines,
    count(*) FILTER (bought AND (day + 3) % 7 >= 5) AS weekend,
    count(*) FILTER (bought AND is_evening) AS evening,
    sum(if(sold >= as_of - 90 * {day}, gross, 0)) AS recent_gross,
    {windows}, {top_spend}
  FROM marked GROUP BY ALL),
visit AS (
  SELECT t, customer, day, sum(amount) AS spend, max(sold) AS sold, any_value(as_of) AS as_of,
         day - lag(day) OVER (PARTITION BY t, customer ORDER BY day) AS gap
  FROM marked WHERE bought GROUP BY t, customer, day),
visits AS (
  SELECT t, customer, count(*) AS visits, max(spend) AS largest, max(day) - min(day) AS span,
         sum(gap * gap) AS squares, {window_visits}
  FROM visit GROUP BY ALL),
product_day AS (SELECT t, customer, product, day, count(*) AS lines FROM marked WHERE bought GROUP BY ALL),
-- The day above the count in one number: the least is the first day's.
each_product AS (SELECT t, customer, product, sum(lines) - (min(day::BIGINT << 32 | lines) & 4294967295) AS repeats
                 FROM product_day GROUP BY ALL),
products AS (SELECT t, customer, count(*) AS products, sum(repeats) AS repeats FROM each_product GROUP BY ALL),
categories AS (SELECT t, customer, count(*) AS categories FROM
  (SELECT DISTINCT t, customer, category FROM marked WHERE bought AND category IS NOT NULL) GROUP BY ALL),
stores AS (SELECT t, customer, count(*) AS stores, max(lines) AS main FROM
  (SELECT t, customer, store, count(*) AS lines FROM marked WHERE bought AND store IS NOT NULL
   GROUP BY ALL) GROUP BY ALL),
channels AS (SELECT t, customer, count(*) AS channels, max(lines) AS main FROM
  (SELECT t, customer, channel, count(*) AS lines FROM marked WHERE bought AND channel IS NOT NULL
   GROUP BY ALL) GROUP BY ALL),
joined AS (
  SELECT *, (date.as_of - first_sold) / {day} AS recency_of_first, (date.as_of - last_sold) / {day} AS recency,
         visits - 1 AS gaps, span / nullif(visits - 1, 0) AS mean, visits_90d AS recent, visits - visits_90d AS earlier,
         totals.spend AS net, visits.visits AS visit_count, stores.main AS store_main, channels.main AS channel_main
  FROM totals JOIN date USING (t) JOIN customer USING (customer)
  LEFT JOIN visits USING (t, customer) LEFT JOIN products USING (t, customer)
  LEFT JOIN categories USING (t, customer) LEFT JOIN stores USING (t, customer)
  LEFT JOIN channels USING (t, customer))
SELECT customer_id, make_timestamp(as_of)::TIMESTAMPTZ AS as_of, {features} FROM joined
"""

SEEN = """SELECT t, as_of, line.* EXCLUDE (known, superseded) FROM line
JOIN date ON sold < as_of AND known < as_of AND superseded >= as_of"""


def share(part: str, whole: str) -> str:
    """`part / whole`, 0 where the whole is not positive."""
    return f"if({whole} > 0, ({part}) / ({whole}), 0)"


def formulas() -> dict[str, str]:
    """Every feature of a customer who bought something, over the columns of `joined`."""
    rate = share("earlier", "recency_of_first - 90")
    recent, earlier = share("recent_gross", "recent"), share("gross - recent_gross", "earlier")
    found = {
        "recency_days": "recency",
        "tenure_days": "recency_of_first",
        "active_span_days": "span",
        "visits": "visit_count",
        "lines": "lines",
        "units": "units",
        "spend": "net / 1e6",
        "margin": "coalesce(margin, 0) / 1e6",
        "margin_known_share": share("costed", "net"),
        "average_order_value": "gross / 1e6 / visit_count",
        "largest_visit_spend": "largest / 1e6",
        "units_per_visit": "bought_units / visit_count",
        "lines_per_visit": "lines / visit_count",
        "average_unit_price": share("gross / 1e6", "bought_units"),
        "gap_mean_days": "coalesce(mean, 0)",
        "gap_std_days": "if(gaps > 1, sqrt(greatest(squares / gaps - mean * mean, 0)), 0)",
        "recency_over_gap": "coalesce(recency / nullif(mean, 0), 0)",
        "frequency_variation": f"if({rate} > 0, least(recent / 90 / ({rate}), 100), 1)",
        "basket_variation": f"if({recent} > 0 AND {earlier} > 0, least(({recent}) / ({earlier}), 100), 1)",
        "distinct_products": "products",
        "distinct_categories": "coalesce(categories, 0)",
        "distinct_stores": "coalesce(stores, 0)",
        "distinct_channels": "coalesce(channels, 0)",
        "product_repeat_share": "repeats / lines",
        "main_store_share": "coalesce(store_main, 0) / lines",
        "main_channel_share": "coalesce(channel_main, 0) / lines",
        "promotion_share": share("promoted", "gross"),
        "discount_share": share("discount", "gross + discount"),
        "return_rate": f"least({share('returned', 'gross')}, 1)",
        "return_line_share": "return_lines / (return_lines + lines)",
        "weekend_share": "weekend / lines",
        "evening_share": "evening / lines",
    }
    for days in WINDOWS:
        found |= {f"spend_{days}d": f"spend_{days}d / 1e6", f"units_{days}d": f"units_{days}d / 1e3"}
        found[f"visits_{days}d"] = f"visits_{days}d"
    for rank in range(1, 6):
        found[f"top_share_{rank}"] = share(f"top_{rank}", "gross")
    return found


def features_sql() -> str:
    none = {"recency_days": "3650", "frequency_variation": "1", "basket_variation": "1"}
    found = {name: f"if(lines = 0, {none.get(name, '0')}, {sql})" for name, sql in formulas().items()}
    found |= {"season_sin": "sine", "season_cos": "cosine"}
    return ",\n  ".join(f"({found[name]})::FLOAT AS {name}" for name in FEATURES)


def query(schema: Schema, dates: list[tuple[int, int]]) -> str:
    """The query for some dates, each with its number."""
    def angle(as_of: int) -> float:
        return math.tau * (local_day(as_of, schema.time_zone) % 365.2425) / 365.2425

    rows = [f"({t}::TINYINT, {sold}::BIGINT, {math.sin(angle(sold))!r}::DOUBLE, {math.cos(angle(sold))!r}::DOUBLE)"
            for t, sold in dates]
    windows, window_visits = [], []
    for days in WINDOWS:
        inside = f"sold >= as_of - {days} * {DAY}"
        windows.append(f"sum(if({inside}, amount, 0)) AS spend_{days}d")
        windows.append(f"sum(if({inside}, quantity, 0)) AS units_{days}d")
        window_visits.append(f"count(*) FILTER ({inside}) AS visits_{days}d")
    top = [value.replace("'", "''") for value in schema.top_values]
    attribute = "product" if schema.ranks_products else "category"
    number = f"(SELECT any_value(number) FROM {attribute} WHERE text = '{{}}')"
    top_spend = [f"sum(if({attribute} = {number.format(value)}, gross, 0)) AS top_{rank}"
                 for rank, value in enumerate(top, 1)]
    top_spend += [f"0 AS top_{rank}" for rank in range(len(top) + 1, 6)]
    return QUERY.format(dates=", ".join(rows), seen=SEEN, day=DAY, windows=", ".join(windows),
                        window_visits=", ".join(window_visits), top_spend=", ".join(top_spend),
                        features=features_sql())


def clean(connection: duckdb.DuckDBPyConnection, path: Path, zone: str, latest: int) -> None:
    """Reads the file into the table `line`."""
    file = f"read_parquet('{path}', file_row_number = true)"
    span = f"SELECT epoch_us(min(occurred_at)), epoch_us(max(occurred_at)) FROM {file}"
    first, last = connection.execute(span).fetchone()
    changes = offsets(zone, first, last)
    offset = str(changes[0][1])
    for sold, micros in changes[1:]:
        offset = f"if(epoch_us(occurred_at) >= {sold}, {micros}, {offset})"
    limit = f"make_timestamp({latest})::TIMESTAMPTZ"
    connection.execute(CLEAN.format(
        file=file, known=f"recorded_at < {limit}", occurred=f"occurred_at < {limit}", offset=offset,
        day=DAY, evening=18 * 3_600_000_000, forever=FOREVER))


def run(path: Path, schema: Schema, as_ofs: list[int], strategy: str, threads: int, output: Path) -> None:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    clean(connection, path, schema.time_zone, max(as_ofs))
    dates = list(enumerate(as_ofs))
    parts = [dates] if strategy == "join" else [[date] for date in dates]
    if len(parts) == 1:
        connection.execute(f"COPY ({query(schema, parts[0])}) TO '{output}' (FORMAT parquet)")
        return
    connection.execute(f"CREATE TEMP TABLE feature AS {query(schema, parts[0])}")
    for part in parts[1:]:
        connection.execute(f"INSERT INTO feature {query(schema, part)}")
    connection.execute(f"COPY feature TO '{output}' (FORMAT parquet)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parquet", type=Path, required=True)
    parser.add_argument("--schema", type=Path, required=True)
    parser.add_argument("--as-of", action="append", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--strategy", choices=("join", "loop"), default="loop")
    args = parser.parse_args()
    started = time.perf_counter()
    run(args.parquet, Schema.read(args.schema), [instant(text) for text in args.as_of],
        args.strategy, args.threads, args.output)
    print(f"seconds={time.perf_counter() - started:.4f}")


if __name__ == "__main__":
    main()
