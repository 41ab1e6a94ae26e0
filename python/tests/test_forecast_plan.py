"""Effects of promotions, prices and events in forecasts, and forecasts under a plan."""

import datetime
import signal

import numpy as np
import pandas as pd
import pytest
from conftest import Server

import patron_client
from patron_client import Client

PAST, HORIZON = 150, 8
FIRST = pd.Timestamp("2020-01-06")
LEVELS = {"series=east": 50.0, "series=west": 80.0}
UPLIFT, ELASTICITY = 1.8, -1.5
RECIPE = """
kind = "forecast"
frequency = "weekly"
horizon = 8
season_length = 1
[table]
path = "{path}"
regressors = ["promo:indicator", "price:price"]
[[events]]
name = "opening"
date = "2020-03-04"
"""


def sold(level, promoted, price):
    """What two shops sell in a week: a promotion multiplies, a price has an elasticity."""
    return level * np.where(promoted, UPLIFT, 1.0) * (price / 2.0) ** ELASTICITY


def coming(number):
    """The Monday of a week that is forecast."""
    return FIRST + pd.Timedelta(weeks=PAST + number)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A model of two shops, whose promotions and prices are known to have done something."""
    directory = tmp_path_factory.mktemp("shops")
    week = np.arange(PAST)
    promoted = (week % 7 == 3) | (week % 11 == 5)
    price = 2.0 + (week * 5 % 13) / 20.0
    noise = 1.0 + ((week * 31 + 17) % 23 - 11) / 200.0
    tables = [
        pd.DataFrame(
            {
                "unique_id": name.removeprefix("series="),
                "ds": FIRST + pd.to_timedelta(7 * week, unit="D"),
                "y": sold(level, promoted, price) * noise,
                "promo": promoted.astype(int),
                "price": price,
            }
        )
        for name, level in LEVELS.items()
    ]
    path = directory / "weeks.csv"
    pd.concat(tables).to_csv(path, index=False, date_format="%Y-%m-%d")
    running = Server(directory).start()
    with Client(running.address) as client:
        assert client.train("shops", recipe=RECIPE.format(path=path), progress=False).promoted
        yield client
    running.end(signal.SIGTERM)
    assert running.process.returncode == 0


def test_effects_are_rows_of_a_frame(shops):
    frame = shops.forecast(model="shops", effects=True)
    effects = pd.DataFrame(frame.attrs["effects"]).set_index(["unique_id", "regressor"])
    names = [(one, column) for one in LEVELS for column in ("promo", "price", "opening")]
    assert effects.index.tolist() == names
    promo = effects.xs("promo", level="regressor")
    truth = 100 * (UPLIFT - 1)
    assert promo["percent"].tolist() == pytest.approx([truth] * 2, abs=5)
    assert (promo["percent-lo-95"] < truth).all()
    assert (promo["percent-hi-95"] > truth).all()
    assert promo["elasticity"].isna().all()
    share = promo["uplift"] / promo["baseline"]
    assert share.tolist() == pytest.approx([UPLIFT - 1] * 2, abs=0.05)
    assert (promo[["uplift-lo-95", "uplift", "uplift-hi-95"]].diff(axis=1).iloc[:, 1:] > 0).all(
        axis=None
    )
    price = effects.xs("price", level="regressor")
    assert price["elasticity"].tolist() == pytest.approx([ELASTICITY] * 2, abs=0.15)
    assert (price["elasticity-lo-95"] < price["elasticity-hi-95"]).all()
    assert (price["periods"] > 50).all()
    opening = effects.xs("opening", level="regressor")
    assert opening["cannot_tell"].tolist() == ["hardly_moved"] * 2
    assert opening["message"].str.contains("1 period").all()
    assert opening["percent"].isna().all()
    assert shops.forecast(model="shops").attrs["effects"] == []


def test_a_plan_moves_what_is_planned_and_nothing_else(shops):
    before = shops.forecast(model="shops", components=True, time_zone="Europe/London")
    assert before["regressors"].abs().max() > 0, "the last usual price is not the median one"
    plan = pd.DataFrame(
        {
            "unique_id": ["series=east", "series=east", "series=west"],
            # Any day of a week means the week.
            "ds": [coming(2), coming(4) + pd.Timedelta(days=6), coming(0)],
            "promo": [1.0, np.nan, np.nan],
            "price": [np.nan, 2.0, np.nan],
        }
    )
    after = shops.forecast(model="shops", components=True, time_zone="Europe/London", plan=plan)
    ratio = (after["mean"] / before["mean"]).to_numpy().reshape(2, HORIZON)
    moved = np.ones((2, HORIZON))
    assert before["ds"].tolist()[0] == coming(0)
    moved[0, 2] = UPLIFT
    last = next(w for w in range(PAST - 1, 0, -1) if w % 7 != 3 and w % 11 != 5)
    usual = 2.0 + (last * 5 % 13) / 20.0
    moved[0, 4] = (2.0 / usual) ** ELASTICITY
    assert ratio == pytest.approx(moved, rel=0.06)
    still = np.ones((2, HORIZON), dtype=bool)
    still[0, [2, 4]] = False
    assert (ratio[still] == 1.0).all()
    parts = ["level", "trend", "seasonal", "regressors", "adjustment"]
    assert (after[parts].sum(axis=1) - after["mean"]).abs().max() < 1e-6
    seasonless = ["level", "trend", "seasonal"]
    pd.testing.assert_frame_equal(after[seasonless], before[seasonless])
    # The plan holds for its own call.
    again = shops.forecast(model="shops", components=True, time_zone="Europe/London")
    pd.testing.assert_frame_equal(again, before)


def test_a_plan_can_be_told_in_several_ways(shops):
    days = [coming(1), coming(1).date(), str(coming(1).date()), datetime.datetime(2022, 12, 1)]
    assert coming(1) <= pd.Timestamp(days[-1]) < coming(2)
    answers = [
        shops.forecast(
            "series=east",
            model="shops",
            plan=pd.DataFrame({"unique_id": [name], "ds": [day], "promo": [value]}),
        )["mean"].tolist()
        for name in ("series=east", ("series", "east"))
        for day, value in zip(days, [1, 1.0, True, np.float32(1)], strict=True)
    ]
    assert answers == [answers[0]] * len(answers)
    alone = shops.forecast("series=east", model="shops")["mean"].tolist()
    assert answers[0][1] > 1.5 * alone[1]
    nothing = pd.DataFrame({"unique_id": ["series=east"], "ds": [coming(1)], "promo": [None]})
    assert shops.forecast("series=east", model="shops", plan=nothing)["mean"].tolist() == alone
    assert shops.forecast("series=east", model="shops", plan=nothing[:0])["mean"].tolist() == alone


def test_a_plan_holds_for_sums_and_for_every_message_of_many_series(shops):
    plan = pd.DataFrame({"unique_id": list(LEVELS), "ds": [coming(3)] * 2, "promo": [1.0] * 2})
    pair = shops.forecast(model="shops", plan=plan, sums={"both": list(LEVELS)})
    means = pair.pivot(index="ds", columns="unique_id", values="mean")
    assert (means["both"] - means[list(LEVELS)].sum(axis=1)).abs().max() < 1e-6
    assert means["both"].iloc[3] > 1.5 * means["both"].iloc[2]
    names = list(LEVELS) * 1_500
    many = shops.forecast(names, model="shops", plan=plan)
    assert len(many) == len(names) * HORIZON
    first = many.head(2 * HORIZON)["mean"].to_numpy()
    assert first.tolist() == pair.head(2 * HORIZON)["mean"].tolist()
    assert (many["mean"].to_numpy().reshape(-1, 2 * HORIZON) == first).all()


@pytest.mark.parametrize(
    ("change", "field", "told"),
    [
        ({"unique_id": "series=north"}, "series", "it has series=east, series=west"),
        ({"unique_id": "store=east"}, "series", "its groups are series"),
        ({"ds": "2019-01-01"}, "date", "8 periods"),
        ({"weather": 1.0}, "values", "promo, price"),
        ({"price": 0.0}, "values", "above 0"),
    ],
)
def test_a_plan_that_does_not_hold_is_told_with_its_row(shops, change, field, told):
    good = {"unique_id": "series=east", "ds": coming(0), "promo": 1.0}
    plan = pd.DataFrame([good, {**good, "ds": coming(1), **change}])
    with pytest.raises(patron_client.InvalidArgument, match=told) as caught:
        shops.forecast(model="shops", plan=plan)
    assert caught.value.violations[0].field == f"plan[1].{field}"


def test_frames_that_are_no_plan_are_not_sent(shops):
    plan = pd.DataFrame({"unique_id": ["series=east"], "ds": [coming(0)], "promo": [1.0]})
    for column in ("unique_id", "ds"):
        with pytest.raises(ValueError, match=f"plan: there is no column '{column}'"):
            shops.forecast(model="shops", plan=plan.drop(columns=column))
    with pytest.raises(ValueError, match="remove the time zone"):
        shops.forecast(model="shops", plan=plan.assign(ds=coming(0).tz_localize("UTC")))


def test_a_model_without_regressors_has_no_effects_and_takes_no_plan(shop):
    assert shop.forecast("total", effects=True).attrs["effects"] == []
    plan = pd.DataFrame({"unique_id": ["total"], "ds": ["2011-12-12"], "promotion": [1.0]})
    with pytest.raises(patron_client.InvalidArgument, match="has no regressors"):
        shop.forecast("total", plan=plan)
