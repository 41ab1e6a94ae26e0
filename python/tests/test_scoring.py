"""All customers, or all rows of a table, into one file."""

import pandas as pd
import pytest
from conftest import ROOT

import patron_client

TELCO = ROOT / "tests" / "data" / "telco_churn" / "telco_churn.csv"


def test_models_of_all_kinds_are_answered_in_one_pass(shop):
    scores = shop.score(["churn", "propensity", "segments", "rfm"], progress=False)
    assert {
        "churn_probability",
        "propensity_percentile",
        "segments_segment",
        "rfm_cell",
    } <= set(scores.columns)
    assert scores.attrs["versions"] == dict.fromkeys(("churn", "propensity", "segments", "rfm"), 1)


def test_who_is_scored_can_be_chosen(shop):
    rows = {
        whom: len(shop.score("churn", population=whom, progress=False))
        for whom in ("active", "all", "known")
    }
    assert rows["all"] == len(shop.score("churn", progress=False))
    assert 0 < rows["active"] < rows["all"] < rows["known"]
    with pytest.raises(patron_client.InvalidArgument) as caught:
        shop.score("churn", population="active", active_within_days=30, progress=False)
    assert caught.value.violations[0].field == "population"


def test_reasons_are_those_of_the_prediction(shop):
    scores = shop.score("churn", explain=2, active_within_days=5, progress=False)
    answers = shop.predict("churn", scores["customer_id"], explain=2)
    told = [
        next(one["feature"] for one in reasons if one["feature"]) for reasons in answers["reasons"]
    ]
    assert scores["churn_reason_1"].tolist() == told
    assert "churn_reason_2_contribution" in scores.columns
    assert "churn_reason_3" not in scores.columns


def test_the_rows_of_a_table_are_scored(patron, tmp_path):
    cases = pd.read_csv(TELCO).head(2_000)
    cases.insert(0, "case", [f"0{row}" for row in range(len(cases))])
    table = tmp_path / "cases.csv"
    cases.to_csv(table, index=False)
    patron.train("telco", table=table, label="Churn", exclude=["case"], progress=False)
    for output in (None, tmp_path / "scores.csv"):
        scores = patron.score("telco", table=table, key="case", output=output, progress=False)
        assert scores.columns[0] == "case"
        assert scores["case"].tolist() == cases["case"].tolist()
        answers = patron.predict("telco", table=cases)
        assert (answers["probability"] - scores["telco_probability"]).abs().max() < 1e-6


def test_the_file_has_the_format_of_its_name(shop, tmp_path):
    output = tmp_path / "scores.csv"
    shop.score("churn", output=output, active_within_days=5, read=False, progress=False)
    assert output.read_text().startswith("customer_id,as_of,churn_probability")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"models": "churn/new"}, "models: expected NAME, NAME@ALIAS or NAME/NUMBER"),
        ({"population": "everybody"}, "population: expected one of all, active, known"),
        ({"format": "xlsx"}, "format: expected 'parquet' or 'csv'"),
        ({"table": "cases.csv"}, "table and key go together"),
        ({"key": "case"}, "table and key go together"),
        ({"explain": -1}, "explain: expected 0 or more"),
    ],
)
def test_what_makes_no_sense_is_told_before_it_is_sent(shop, arguments, told):
    with pytest.raises(ValueError, match=told):
        shop.score(**{"models": "churn", "progress": False, **arguments})
