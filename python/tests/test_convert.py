"""Values on their way to the wire."""

import decimal
import random

import numpy as np
import pandas as pd
import pytest

from patron_client import _convert, _lines


@pytest.mark.parametrize(
    ("value", "micros"),
    [
        (2.55, 2_550_000),
        (0.1 + 0.2, 300_000),
        (decimal.Decimal("0.0000005"), 0),  # halves go to the even neighbour
        (decimal.Decimal("0.0000015"), 2),
        (decimal.Decimal("0.00000150000000000000000001"), 2),
        (0.0000025, 2),
        ("-12.345", -12_345_000),
        (" 7 ", 7_000_000),
        (np.int32(-3), -3_000_000),
        (np.float32(0.5), 500_000),
        (9_223_372_036_854.775, 9_223_372_036_854_775_000),
        (decimal.Decimal("9223372036854.775807"), 2**63 - 1),
    ],
)
def test_money_is_exact(value, micros):
    assert _convert.scaled(value, _convert.MICROS) == micros


@pytest.mark.parametrize(
    "value", ["abc", "", "1,5", float("inf"), 1e13, True, "NaN", decimal.Decimal("1E+999999"), b"1"]
)
def test_what_is_no_amount_is_told(value):
    with pytest.raises(_convert.Unreadable):
        _convert.scaled(value, _convert.MICROS)


def test_a_column_of_floats_is_read_as_each_of_them():
    source = random.Random(7)
    floats = [round(source.uniform(-1e4, 1e4), source.randrange(9)) for _ in range(20_000)]
    floats += [source.uniform(-1e12, 1e12) for _ in range(2_000)]
    floats += [k / 1e7 for k in range(-2_000, 2_000)] + [0.0, -0.0, 1e-300, float("nan")]
    counts, problems = _convert.scaled_column(pd.Series(floats), _convert.MICROS)
    assert problems == {}
    assert counts.pop() is None
    context = decimal.Context(prec=60)
    for value, count in zip(floats, counts, strict=False):
        exact = context.multiply(decimal.Decimal(repr(value)), decimal.Decimal(1_000_000))
        assert count == int(exact.to_integral_value(decimal.ROUND_HALF_EVEN)), value


def test_a_column_tells_which_rows_cannot_be_read():
    column = pd.Series(["1.5", None, "x", pd.NA, "", 2, float("inf")], dtype="object")
    counts, problems = _convert.scaled_column(column, _convert.THOUSANDTHS)
    assert counts == [1_500, None, None, None, None, 2_000, None]
    assert sorted(problems) == [2, 6]


def test_keys_are_digits_however_they_were_read():
    for column in (
        pd.Series([17850.0, np.nan]),
        pd.Series([17850, None], dtype="Int64"),
        pd.Series(["17850", None]),
        pd.Series(["17850", ""], dtype="category"),
        pd.Series([17850, pd.NaT], dtype="object"),
    ):
        assert _convert.texts(column) == ["17850", ""], column.dtype


def test_times_with_a_zone_need_no_other():
    aware = pd.Series(pd.to_datetime(["2011-06-01T12:00:00+02:00", None], utc=True))
    assert _convert.instants(aware, None) == ([1_306_922_400_000_000, None], {})
    texts = pd.Series(["2011-06-01T12:00:00+02:00", "2011-06-01T10:00:00Z", "soon", 5, None])
    values, problems = _convert.instants(texts, None)
    assert values == [1_306_922_400_000_000, 1_306_922_400_000_000, None, None, None]
    assert sorted(problems) == [2, 3]


def test_times_without_a_zone_are_not_guessed():
    naive = pd.Series(pd.to_datetime(["2011-06-01T12:00:00"]), name="InvoiceDate")
    with pytest.raises(ValueError, match=r"InvoiceDate.*time_zone"):
        _convert.instants(naive, None)
    _, problems = _convert.instants(naive.astype("str"), None)
    assert list(problems) == [0]


def test_a_clock_that_is_put_forward_and_back():
    zone = "Europe/London"
    clock = ["2011-03-27 00:59", "2011-03-27 01:30", "2011-10-30 01:30", "2011-10-30 02:00"]
    expected = ["2011-03-27 00:59", "2011-03-27 01:30", "2011-10-30 00:30", "2011-10-30 02:00"]
    micros = [pd.Timestamp(time, tz="UTC").value // 1_000 for time in expected]
    naive = pd.Series(pd.to_datetime(clock))
    assert _convert.instants(naive, zone) == (micros, {})
    assert _convert.instants(naive.astype("str"), zone) == (micros, {})


def test_equal_lines_without_numbers_go_together():
    frame = pd.DataFrame(
        {
            "order_id": ["a", "b", "a", "a", "b"],
            "line_number": [None, 1, None, None, 1],
            "occurred_at": pd.Timestamp("2011-06-01", tz="UTC"),
            "product_id": ["x", "x", "y", "x", "x"],
            "quantity": [1, 1, 1, 1, 2],
            "unit_price": 1.0,
        }
    )
    order, fresh = _lines.table(frame).order()
    # Row 3 is row 0 again; rows 1 and 4 are a line and its correction and keep their order.
    assert order == [0, 3, 1, 2, 4]
    assert fresh == [True, False, True, True, True]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"price": "UnitPrice"}, "no field price"),
        ({"product_id": "Nope"}, "no column 'Nope'"),
        ({"product_id": "StockCode"}, "no column fills occurred_at, quantity, unit_price"),
    ],
)
def test_a_wrong_mapping_is_told_before_anything_is_sent(columns, message):
    with pytest.raises(ValueError, match=message):
        _lines.table(pd.DataFrame({"StockCode": ["x"]}), columns)


def test_half_a_surrogate_pair_is_refused_by_row():
    frame = pd.DataFrame(
        {
            "occurred_at": pd.Timestamp("2011-06-01", tz="UTC"),
            "product_id": pd.Series(["x", "\ud800"], dtype="object"),
            "quantity": 1,
            "unit_price": 1,
        }
    )
    problems = _lines.table(frame).problems
    assert list(problems) == [1]
    assert problems[1][0] == "product_id"
