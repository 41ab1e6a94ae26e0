"""Frames on their way to tables, and recipes that learn from files."""

import datetime
import decimal
import math

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from patron_client import _table, reasons_frame
from patron_client._proto import common_pb2, prediction_service_pb2

tomllib = pytest.importorskip("tomllib", reason="a part of Python from 3.11 on")
TELCO = ROOT / "tests" / "data" / "telco_churn" / "telco_churn.csv"


def values_of(column):
    kind, values, missing = _table.column_values("x", column)
    return kind, values, missing.tolist()


@pytest.mark.parametrize(
    ("column", "kind", "values", "missing"),
    [
        (pd.Series([1, 2]), "numbers", [1.0, 2.0], []),
        (pd.Series([True, False]), "flags", [True, False], []),
        (pd.Series([True, None], dtype="boolean"), "flags", [True, False], [1]),
        (pd.Series([True, None], dtype="object"), "flags", [True, False], [1]),
        (pd.Series([True, np.nan, False], dtype="category"), "flags", [True, False, False], [1]),
        (pd.Series(["a", None, ""]), "texts", ["a", "", ""], [1]),
        (pd.Series(["a", pd.NA], dtype="string"), "texts", ["a", ""], [1]),
        (pd.Series(["a", None], dtype="category"), "texts", ["a", ""], [1]),
        (pd.Series([1, "a", True], dtype="object"), "texts", ["1", "a", "True"], []),
        (pd.Series([1, 2], dtype="category"), "numbers", [1.0, 2.0], []),
        (pd.Series([decimal.Decimal("1.5"), 2], dtype="object"), "numbers", [1.5, 2.0], []),
        (pd.Series([None, None], dtype="object"), "texts", ["", ""], [0, 1]),
        (pd.Series([], dtype="object"), "texts", [], []),
    ],
)
def test_a_column_keeps_its_type(column, kind, values, missing):
    assert values_of(column) == (kind, values, missing)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.5, np.nan]),
        pd.Series([1.5, None], dtype="Float64"),
        pd.Series([1.5, None], dtype="object"),
        pd.Series([1.5, None], dtype="float64[pyarrow]"),
        pd.Series([1.5, None], dtype="category"),
    ],
)
def test_a_missing_number_is_told_and_nan(column):
    kind, values, missing = values_of(column)
    assert (kind, values[0], missing) == ("numbers", 1.5, [1])
    assert math.isnan(values[1])


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pd.Series(pd.to_datetime(["2011-12-01"])), "Timestamp"),
        (pd.Series([datetime.date(2011, 12, 1)]), "date"),
        (pd.Series([[1, 2]]), "list"),
        (pd.Series([1 + 2j]), "complex"),
    ],
)
def test_a_column_of_something_else_is_named(column, found):
    with pytest.raises(ValueError, match=f"column x: expected numbers, flags or texts.*{found}"):
        _table.column_values("x", column)


def test_rows_are_cut_with_their_missing_places():
    frame = pd.DataFrame(
        {
            "n": [1.0, np.nan, 3.0, np.nan, 5.0],
            "t": ["a", None, "c", "d", None],
            "other": pd.date_range("2011-12-01", periods=5),
            "f": [True, False, True, False, True],
        },
        index=list("vwxyz"),
    )
    rows = _table.TableRows(frame, ["t", "n", "f"])
    assert rows.index.tolist() == list("vwxyz")
    block = rows.input(1, 4)["table"]
    assert [column.name for column in block.columns] == ["t", "n", "f"]
    text, number, flag = block.columns
    assert block.row_count == 3
    assert (list(text.texts.values), list(text.missing)) == (["", "c", "d"], [0])
    assert (list(number.numbers.values)[1], list(number.missing)) == (3.0, [0, 2])
    assert (list(flag.flags.values), list(flag.missing)) == ([False, True, False], [])
    request = prediction_service_pb2.PredictChurnRequest(**rows.input(0, 5))
    assert request.WhichOneof("input") == "table"
    assert isinstance(request.table, common_pb2.TableBlock)


def test_a_part_of_a_table_fits_a_message():
    frame = pd.DataFrame({"t": ["x" * 5_000] * 4_000, "n": range(4_000)})
    rows = _table.TableRows(frame, ["t", "n"])
    part = rows.largest_part()
    assert 100 < part < 1_000
    assert prediction_service_pb2.PredictChurnRequest(**rows.input(0, part)).ByteSize() < 4_000_000
    narrow = _table.TableRows(frame, ["n"])
    assert narrow.largest_part() == 5_000


def test_columns_that_lack_or_occur_twice_are_named():
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "b"])
    with pytest.raises(ValueError, match="lacks the columns c, d"):
        _table.TableRows(frame, ["a", "c", "d"])
    with pytest.raises(ValueError, match="more than one column b"):
        _table.TableRows(frame, ["a", "b"])


def recipe(path="cases.csv", **given):
    names = ("label", "event", "id", "time", "horizon_days", "exclude", "types", "kind")
    return _table.recipe(path, **(dict.fromkeys((*names, "algorithm")) | given))


def test_a_recipe_says_what_the_columns_are(tmp_path):
    made = recipe(
        tmp_path / 'a "b".csv',
        label="Churn",
        event="Yes, gone",
        id="key",
        time="seen",
        horizon_days=30,
        exclude=["x.y", "ü"],
        types={"zip code": "categorical"},
        kind="propensity",
        algorithm="gradient-boosting",
    )
    assert tomllib.loads(made) == {
        "kind": "propensity",
        "algorithm": "gradient-boosting",
        "table": {
            "path": str(tmp_path / 'a "b".csv'),
            "label": "Churn",
            "event": "Yes, gone",
            "id": "key",
            "time": "seen",
            "horizon_days": 30,
            "exclude": ["x.y", "ü"],
            "types": {"zip code": "categorical"},
        },
    }
    least = tomllib.loads(recipe(tmp_path / "cases.csv", label="left"))
    path = str(tmp_path / "cases.csv")
    assert least == {"kind": "churn", "table": {"path": path, "label": "left"}}


def test_what_is_no_table_is_told(patron):
    with pytest.raises(ValueError, match="label: name the column"):
        patron.train("t", table="cases.csv")
    with pytest.raises(TypeError, match=r"path of a CSV or Parquet file.*DataFrame"):
        patron.train("t", table=pd.DataFrame(), label="x")
    with pytest.raises(ValueError, match="recipe or table"):
        patron.train("t", table="cases.csv", label="x", recipe="kind = 'churn'")
    with pytest.raises(ValueError, match="label: is for a table"):
        patron.train("t", label="x")
    with pytest.raises(TypeError, match="single text 'x'"):
        patron.train("t", table="cases.csv", label="x", exclude="x")


def test_models_of_customers_take_no_table(shop):
    with pytest.raises(ValueError, match="takes no columns of the caller"):
        shop.predict("churn", table=pd.DataFrame({"a": [1]}))
    with pytest.raises(ValueError, match="kind segments takes no table"):
        shop.predict("segments", table=pd.DataFrame({"a": [1]}))


def test_a_model_learns_from_a_file_and_answers_a_frame(patron):
    made = patron.train("telco", table=TELCO, label="Churn", progress=False)
    assert made.metrics.loc["roc_auc", "value"] > 0.83
    cases = pd.read_csv(TELCO)
    cases["Contract"] = cases["Contract"].astype("category")
    cases["tenure"] = cases["tenure"].astype("Int64")
    answers = patron.predict("telco", table=cases, explain=2)
    assert answers.index.equals(cases.index)
    assert "customer_id" not in answers
    assert len(answers) == 7_043 > 5_000, "over a stream"
    left = cases["Churn"] == "Yes"
    assert answers["probability"][left].mean() > answers["probability"][~left].mean() + 0.2
    told = reasons_frame(answers)
    contract = told[told["feature"] == "Contract"]
    assert set(contract["text"]) <= set(cases["Contract"])
    assert len(contract) > 100
    part = patron.predict("telco", table=cases, chunk_rows=999)
    pd.testing.assert_series_equal(part["probability"], answers["probability"])
    cases.loc[[0, 2], "tenure"] = None
    cases.loc[1, "Contract"] = None
    holes = patron.predict("telco", table=cases.head(3))
    assert holes["probability"].between(0, 1).all()
    assert (holes["probability"] != answers["probability"].head(3)).all()
