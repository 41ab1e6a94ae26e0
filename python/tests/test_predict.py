"""Answers as frames, against a server with models of all kinds."""

import numpy as np
import pandas as pd
import pytest

import patron_client
from patron_client import _convert, reasons_frame


def test_answers_keep_the_order_of_the_caller(shop):
    ids = pd.Series([17850, "never-seen", None, 14911], index=["a", "b", "c", "d"])
    answer = shop.predict("churn", ids, explain=3)
    assert answer.index.tolist() == ["a", "b", "c", "d"]
    assert answer["customer_id"].tolist() == ["17850", "never-seen", "", "14911"]
    assert answer["source"].tolist() == ["history", "prior", "refused", "history"]
    assert answer["label"].tolist() == [True, True, False, False]
    assert answer.loc["a", "probability"] > 0.5 > answer.loc["d", "probability"]
    assert np.isnan(answer.loc["c", "probability"])
    assert "customer_ids.ids[2]" in answer.loc["c", "error"]
    assert answer["error"].isna().tolist() == [True, True, False, True]
    prior = answer.loc["b"]
    assert prior["interval_lower"] < prior["probability"] < prior["interval_upper"]
    assert answer["interval_lower"].isna().tolist() == [True, False, True, True]
    assert set(answer["model"]) == {"churn"}
    assert set(answer["version"]) == {1}
    assert set(answer["as_of"]) == {pd.Timestamp("2011-12-10", tz="UTC")}
    assert answer.loc["d", "feature_age_days"] == pytest.approx(1.3375)
    assert answer["last_line_time"].isna().tolist() == [False, True, True, False]
    served = answer.attrs["served_by"]
    assert served["event"] == "no purchase in the next 60 days"
    assert served["horizon_days"] == 60
    assert 0 < served["calibration_error"] < 0.1
    assert answer.attrs["threshold"] == 0.5


def test_reasons_are_told_row_by_row(shop):
    answer = shop.predict("churn", ["17850", "nobody", "14911"], explain=2)
    told = reasons_frame(answer)
    assert told["customer_id"].tolist() == ["17850"] * 3 + ["nobody"] + ["14911"] * 2
    assert told["rank"].tolist() == [1, 2, 3, 1, 1, 2]
    assert told["code"].tolist() == [
        "OUTSIDE_POPULATION",
        "FEATURE",
        "FEATURE",
        "NO_HISTORY",
        "FEATURE",
        "FEATURE",
    ]
    assert (told.loc[2, "contribution"] < 0).all(), "a loyal customer"
    assert reasons_frame(shop.predict("churn", ["14911"])).empty


def test_many_ids_go_over_a_stream_and_are_answered_alike(shop, customers):
    rows = 60_000
    ids = np.resize(np.array([*customers, "nobody", ""], dtype="object"), rows)
    many = shop.predict("churn", ids)
    few = shop.predict("churn", [*customers, "nobody", ""], chunk_rows=10_000)
    assert len(many) == rows
    assert many["customer_id"].tolist() == ids.tolist()
    width = len(few)
    columns = ["probability", "percentile", "label", "source", "last_line_time"]
    for start in range(0, rows - width, width):
        part = many.iloc[start : start + width].reset_index(drop=True)
        pd.testing.assert_frame_equal(part[columns], few[columns], check_index_type=False)
    refused = np.flatnonzero(many["source"] == "refused")
    assert (refused % width == width - 1).all()
    assert many["error"].notna().sum() == len(refused) == rows // width
    for row in refused:
        assert f"ids[{row}]" in many["error"].iloc[row], "the caller's row, not the chunk's"
    assert many["version"].nunique() == many["as_of"].nunique() == 1


def test_explanations_of_many_fit_their_messages(shop, customers):
    every = shop.predict("churn", customers, explain=54)
    assert len(every) == len(customers)
    lengths = every["reasons"].map(len)[every["source"] == "history"]
    assert lengths.min() > 40


def test_features_give_the_answers_of_the_ids(shop, customers):
    features = shop.features(customers[:500], model="churn")
    assert features.index.tolist() == customers[:500]
    features = features[features["status"] == "found"]  # others have only returns
    known = features.index.tolist()
    assert len(known) > 490
    assert features[features.attrs["features"]].dtypes.unique().tolist() == [np.dtype("float32")]
    by_features = shop.predict("churn", frame=features)
    by_ids = shop.predict("churn", known)
    assert by_features.index.tolist() == known
    assert set(by_features["source"]) == {"features"}
    for name in ("probability", "percentile", "label"):
        np.testing.assert_array_equal(by_features[name], by_ids[name])


def test_many_features_go_over_a_stream(shop, customers):
    rows = 50_000
    features = shop.features(customers, model="churn")
    places = np.resize(np.arange(len(customers)), rows)
    frame = features.iloc[places].reset_index(drop=True)
    frame = frame[frame.columns[::-1]]  # the names count, not their order
    many = shop.predict("churn", frame=frame)
    few = shop.predict("churn", customers)
    is_known = few["source"].to_numpy()[places] == "history"
    assert is_known.sum() > 40_000
    expected = few["probability"].to_numpy()[places]
    np.testing.assert_array_equal(many["probability"][is_known], expected[is_known])


def test_features_are_of_their_date(shop):
    early = shop.features([17850, "nobody", ""], as_of="2010-12-03", model="churn")
    assert early.index.tolist() == ["17850", "nobody", ""]
    assert early["status"].tolist() == ["found", "no_history", "refused"]
    assert early.attrs["as_of"] == pd.Timestamp("2010-12-03", tz="UTC")
    assert (early["last_line_time"].dropna() < early.attrs["as_of"]).all()
    assert early.loc["17850", "recency_days"] < 1
    assert early.loc[""].drop(["status", "error"]).isna().all(), "no values that look like some"
    late = shop.features([17850], model="churn")
    assert late.loc["17850", "recency_days"] > 300
    definitions = shop.feature_definitions("churn")
    assert definitions.index.tolist() == late.attrs["features"]
    assert definitions.loc["recency_days", "unit"] == "days"
    assert shop.features([]).empty


def test_what_if_histories_are_stored_nowhere(shop):
    lines = shop.customer(14911).lines
    answer = shop.predict("churn", histories={"as it is": lines, "nothing": lines.iloc[:0]})
    assert answer["customer_id"].tolist() == ["as it is", "nothing"]
    assert answer["source"].tolist() == ["what_if", "prior"]
    assert answer["probability"][0] == shop.predict("churn", [14911])["probability"][0]
    one = pd.DataFrame(
        {
            "who": ["x", "y", "x"],
            "at": pd.to_datetime(["2011-11-20 10:00", "2011-01-05 12:00", "2011-12-01 10:00"]),
            "product_id": "85123A",
            "quantity": [6, 1, 6],
            "unit_price": 2.55,
        }
    )
    columns = {name: name for name in ("product_id", "quantity", "unit_price")}
    answer = shop.predict(
        "churn",
        histories=one,
        columns={"customer_id": "who", "occurred_at": "at", **columns},
        time_zone="Europe/London",
    )
    assert answer["customer_id"].tolist() == ["x", "y"]
    assert answer["probability"][0] < answer["probability"][1]
    with pytest.raises(patron_client.NotFound):
        shop.customer("x")


def test_a_bad_line_refuses_its_history_only(shop):
    lines = shop.customer(14911).lines.head(2)
    answer = shop.predict("churn", histories={"good": lines, "bad": lines.assign(quantity=0.0)})
    assert answer["source"].tolist() == ["what_if", "refused"]
    assert "histories.customers[1].lines[0]" in answer["error"][1]
    with pytest.raises(ValueError, match="customer 'odd', line 1: unit_price"):
        shop.predict("churn", histories={"odd": lines.assign(unit_price=[1, "x"])})


def test_segments_rfm_and_propensity(shop):
    segments = shop.assign_segments([14911, "nobody"], all_distances=True, explain=1)
    assert segments["name"].tolist()[0] == "champions"
    names = [one["name"] for one in segments.attrs["catalogue"]]
    distances = segments[[f"distance_{name}" for name in names]]
    assert distances.iloc[0].min() == segments["distance"][0]
    assert sum(one["share"] for one in segments.attrs["catalogue"]) == pytest.approx(1)
    rfm = shop.rfm([14911, "nobody"])
    assert rfm.loc[0, ["recency", "frequency", "monetary"]].tolist() == [5, 5, 5]
    assert rfm["cell"].tolist() == ["555", ""]
    assert rfm["name"][0] == "Champions"
    assert len(rfm.attrs["edges"]["recency"]) == 4
    propensity = shop.predict("propensity", [14911], threshold=0.99)
    assert propensity.attrs["threshold"] == pytest.approx(0.99)
    assert propensity["label"].tolist() == [propensity["probability"][0] >= 0.99]
    assert propensity.attrs["scope"] != ""


def test_no_rows_give_an_empty_frame_of_the_same_columns(shop):
    for model in ("churn", "segments", "rfm"):
        empty = shop.predict(model, [])
        assert empty.columns.tolist() == shop.predict(model, ["1"]).columns.tolist()
        assert empty.empty


@pytest.mark.parametrize(
    ("error", "reason", "arguments"),
    [
        ("NotFound", "MODEL_NOT_FOUND", {"model": "nope"}),
        ("NotFound", "VERSION_NOT_FOUND", {"version": 99}),
        ("NotFound", "ALIAS_NOT_FOUND", {"version": "challenger"}),
        ("InvalidArgument", "INVALID_FIELD", {"threshold": 1.5}),
    ],
)
def test_refusals_of_the_whole_call_are_exceptions(shop, error, reason, arguments):
    with pytest.raises(getattr(patron_client, error)) as caught:
        shop.predict(**{"model": "churn", "ids": ["1"], **arguments})
    assert caught.value.reason == reason
    if reason == "INVALID_FIELD":
        assert [one.field for one in caught.value.violations] == ["threshold"]


def test_features_that_do_not_hold_name_their_row(shop, customers):
    features = shop.features(customers[:200], model="churn")
    features.iloc[150, 3] = np.nan
    with pytest.raises(patron_client.InvalidArgument) as caught:
        shop.predict("churn", frame=features, chunk_rows=40)
    error = caught.value
    assert error.reason == "INVALID_FEATURE_BLOCK"
    assert error.row == 150
    assert features.columns[3] in error.violations[0].description
    with pytest.raises(ValueError, match="lacks the features recency_days"):
        shop.predict("churn", frame=features.drop(columns="recency_days"))
    features = shop.features(customers[:2], model="churn")
    features.attrs["schema_digest"] = "another"
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        shop.predict("churn", frame=features)
    assert caught.value.reason == "UNKNOWN_FEATURE_SCHEMA"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"ids": ["1"], "histories": {}},
        {"ids": ["1"], "all_distances": True},
        {"model": "rfm", "ids": ["1"], "explain": 3},
        {"model": "forecast", "ids": ["1"]},
    ],
)
def test_questions_that_make_no_sense_are_told(shop, arguments):
    with pytest.raises(ValueError, match=r"give one of|has no|see forecast"):
        shop.predict(**{"model": "churn", **arguments})


def test_one_id_is_no_list(shop):
    with pytest.raises(TypeError, match="17850"):
        shop.predict("churn", "17850")


def test_times_of_answers_are_utc():
    assert _convert.timestamp("2011-12-10").ToJsonString() == "2011-12-10T00:00:00Z"
    zoned = pd.Timestamp("2011-12-10", tz="Europe/Berlin")
    assert _convert.timestamp(zoned).ToJsonString() == "2011-12-09T23:00:00Z"


def test_forecasts_have_the_form_of_the_forecasting_libraries(shop):
    frame = shop.forecast(["total", ("country", "France")], horizon=7, time_zone="Europe/London")
    assert frame.columns.tolist() == [
        "unique_id",
        "ds",
        "mean",
        "lo-80",
        "hi-80",
        "lo-95",
        "hi-95",
    ]
    assert frame["unique_id"].tolist() == ["total"] * 7 + ["country=France"] * 7
    assert frame["ds"][:7].tolist() == pd.date_range("2011-12-10", periods=7).tolist()
    ordered = frame[["lo-95", "lo-80", "mean", "hi-80", "hi-95"]]
    assert (ordered.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    assert frame.attrs["measure"] == "sales"
    assert frame.attrs["currency"] == "GBP"
    assert [one["unique_id"] for one in frame.attrs["series"]] == ["total", "country=France"]
    every = shop.forecast(levels=[90])
    assert every["unique_id"].nunique() == 28
    assert {"country=", "product="} < set(every["unique_id"]), "all others"
    assert every.columns.tolist()[3:] == ["lo-90", "hi-90"]
    assert every["ds"].dt.tz is not None
    pd.testing.assert_series_equal(
        every.loc[every["unique_id"] == "total", "mean"].head(7).reset_index(drop=True),
        frame["mean"].head(7),
    )


def test_many_series_go_over_a_stream(shop):
    some = ["total", "country=France", "country=Germany", "country=EIRE", "country=Netherlands"]
    names = [*some * 251, "country=France"]
    frame = shop.forecast(names)
    assert len(frame) == len(names) * 28
    assert frame["unique_id"].iloc[::28].tolist() == names
    one = shop.forecast("country=France")
    for place in (1, 6, 501, len(names) - 1):
        part = frame.iloc[28 * place : 28 * (place + 1)].reset_index(drop=True)
        pd.testing.assert_frame_equal(part, one)
    with pytest.raises(patron_client.NotFound) as caught:
        shop.forecast([*names, "country=Atlantis"])
    assert caught.value.row == len(names)


def test_a_series_that_is_not_there_is_told(shop):
    with pytest.raises(patron_client.NotFound) as caught:
        shop.forecast(["total", "country=Atlantis"])
    assert caught.value.reason == "SERIES_NOT_FOUND"
    assert caught.value.row == 1
    frame = shop.forecast(["country=Atlantis", "total"], horizon=3, on_error="skip")
    assert frame["unique_id"].tolist() == ["total"] * 3
    assert list(frame.attrs["errors"]) == ["country=Atlantis"]
    with pytest.raises(patron_client.InvalidArgument) as caught:
        shop.forecast("total", horizon=400)
    assert caught.value.violations[0].field == "horizon"
    with pytest.raises(ValueError, match="leave it out"):
        shop.forecast([])


def test_sums_of_series_have_intervals_of_their_own(shop):
    pair = ["country=France", ("country", "Germany")]
    frame = shop.forecast(pair, horizon=7, sums={"both": pair})
    assert frame["unique_id"].unique().tolist() == ["country=France", "country=Germany", "both"]
    means = frame.pivot(index="ds", columns="unique_id", values="mean")
    assert (means["both"] - means.drop(columns="both").sum(axis=1)).abs().max() < 1e-6
    both = frame[frame["unique_id"] == "both"]
    assert (both["lo-95"] <= both["lo-80"]).all()
    assert frame.attrs["measure"] == "sales"
    unnamed = shop.forecast("total", horizon=2, sums=[pair, ["total"]])
    assert unnamed["unique_id"].unique().tolist() == [
        "total",
        "country=France + country=Germany",
    ]
    with pytest.raises(patron_client.NotFound) as caught:
        shop.forecast("total", sums=[["country=Atlantis"]])
    assert caught.value.reason == "SERIES_NOT_FOUND"
    with pytest.raises(ValueError, match="sums: expected lists of series"):
        shop.forecast("total", sums=pair)


def test_parts_add_up_to_the_expected_value(shop):
    parts = ["level", "trend", "seasonal", "adjustment"]
    frame = shop.forecast(horizon=7, components=True, sums={"all": ["total"]})
    of_series = frame["unique_id"] != "all"
    assert (frame[parts].sum(axis=1) - frame["mean"])[of_series].abs().max() < 1e-6
    assert frame.loc[~of_series, parts].isna().all(axis=None)
    assert not set(parts) & set(shop.forecast("total", horizon=2).columns)


@pytest.mark.parametrize(
    ("error", "told", "arguments"),
    [
        (TypeError, "ids: expected a list or a column", {"ids": 17850}),
        (TypeError, "ids: expected a list or a column", {"ids": pd.DataFrame({"id": ["17850"]})}),
        (TypeError, "expected a time such as", {"ids": ["17850"], "as_of": 20111201}),
        (TypeError, "float", {"ids": ["17850"], "version": 1.7}),
        (ValueError, "explain: expected 0 or more", {"ids": ["17850"], "explain": -1}),
        (ValueError, "chunk_rows: expected 1 or more", {"ids": ["17850"], "chunk_rows": 0}),
    ],
)
def test_arguments_of_another_kind_are_not_guessed_at(shop, error, told, arguments):
    with pytest.raises(error, match=told):
        shop.predict("churn", **arguments)
