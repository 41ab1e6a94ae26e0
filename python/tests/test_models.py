"""Training, versions and jobs, against a real server."""

import os
import signal
import threading

import pandas as pd
import pytest
from conftest import DATA, Server

import patron_client
from patron_client import Client, Job, _predict


def test_a_model_is_described(shop):
    models = shop.models()
    assert models["kind"].to_dict() == {
        "churn": "churn",
        "forecast": "forecast",
        "propensity": "propensity",
        "rfm": "rfm",
        "segments": "segments",
    }
    assert (models["champion"] == 1).all()
    versions = shop.versions("churn")
    assert versions.index.tolist() == [1]
    assert versions.loc[1, "aliases"] == ["champion"]
    assert versions.loc[1, "roc_auc"] == pytest.approx(0.732, abs=0.01)
    assert versions["trained_as_of"].dt.tz is not None
    assert "horizon_days = 60" in shop.recipe("churn")
    with pytest.raises(patron_client.NotFound):
        shop.versions("nope")


def test_an_evaluation_is_read_as_tables(shop):
    churn = shop.evaluation("churn")
    assert churn.metrics.loc["roc_auc", "value"] > churn.metrics.loc["roc_auc", "recency"]
    auc = churn.intervals.loc["roc_auc"]
    assert auc["lower"] < auc["estimate"] < auc["upper"]
    assert churn.reliability["count"].sum() == churn.raw["rows"]
    assert churn.gains["gain"].iloc[-1] == pytest.approx(1)
    assert churn.importances["importance"].is_monotonic_decreasing
    assert set(churn.coefficients.columns) == {"feature", "coefficient", "standard_error"}
    assert set(churn.snapshots["role"]) >= {"fit"}
    assert churn.snapshots["as_of"].dt.tz is not None
    assert not churn.slices.empty
    assert not churn.dependence.empty
    assert churn.differences.empty
    assert churn.segments.empty
    assert churn.manifest["gate"]["passed"] is True
    segments = shop.evaluation("segments").segments
    assert segments["share"].sum() == pytest.approx(1)
    assert "recency_days" in segments.columns
    series = shop.evaluation("forecast").series
    assert series.loc["country=France", "method"].startswith("ensemble")
    assert shop.evaluation("rfm").metrics.empty


def test_drift_is_a_frame(shop):
    drift = shop.drift("churn")
    assert drift.index[0] == "score"
    assert drift.index.is_unique
    assert set(drift["verdict"]) <= {"stable", "moderate", "major"}
    assert drift.attrs["as_of"] > drift.attrs["reference_as_of"]
    assert drift.attrs["rows"] == 3_478


def test_everybody_is_scored_as_she_is_predicted(shop, tmp_path):
    scores = shop.score(["churn", "segments@champion", ("propensity", 1)], progress=False)
    assert scores["customer_id"].is_unique
    assert scores.attrs["versions"] == {"churn": 1, "segments": 1, "propensity": 1}
    answers = shop.predict("churn", scores["customer_id"])
    assert (answers["source"] == "history").all()
    difference = (answers["probability"] - scores["churn_probability"]).abs().max()
    assert difference < 1e-6
    segments = shop.assign_segments(scores["customer_id"])
    assert (segments["name"] == scores["segments_segment"]).all()
    output = tmp_path / "scores.csv"
    few = shop.score("churn/1", output=output, format="csv", active_within_days=30, progress=False)
    assert output.exists()
    assert 0 < len(few) < len(scores)
    assert few["customer_id"].tolist() == few["customer_id"].astype(str).tolist()
    with pytest.raises(patron_client.AlreadyExists) as caught:
        shop.score("churn", output=output, format="csv", progress=False)
    assert caught.value.reason == "OUTPUT_EXISTS"
    job = shop.score("churn", output=tmp_path / "s.parquet", read=False, progress=False)
    assert isinstance(job, Job)
    assert job.raw.rows_written == len(scores)
    with pytest.raises(patron_client.InvalidArgument) as caught:
        shop.score(["churn", "forecast"], progress=False)
    assert caught.value.reason == "WRONG_MODEL_KIND"
    assert caught.value.row == 1


def test_a_file_of_another_machine_has_to_be_named():
    with Client("shop.example:443") as client, pytest.raises(ValueError, match="output"):
        client.score("churn")


def test_jobs_are_listed_and_found(shop):
    jobs = shop.jobs()
    assert {"import", "training"} <= set(jobs["kind"])
    assert set(jobs["origin"]) == {"call"}
    assert jobs["created"].is_monotonic_decreasing
    trainings = shop.jobs("training", state="succeeded")
    assert trainings["subject"].tolist() == ["forecast", "propensity", "churn", "rfm", "segments"]
    assert len(shop.jobs("training", limit=2)) == 2
    job = shop.job(trainings["id"][0])
    assert (job.kind, job.state, job.done) == ("training", "succeeded", True)
    assert shop.cancel(job) == job, "it has ended"
    assert shop.wait(job.id, progress=False) == job
    assert shop.jobs(state="failed", kind="scoring").empty
    for arguments in ({"kind": "nope"}, {"state": "nope"}):
        with pytest.raises(ValueError, match="nope"):
            shop.jobs(**arguments)
    with pytest.raises(patron_client.NotFound) as caught:
        shop.job("nope")
    assert caught.value.reason == "JOB_NOT_FOUND"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A server of its own for tests that move aliases."""
    server = Server(tmp_path_factory.mktemp("bench")).start()
    with Client(server.address) as client:
        client.import_file(DATA / "online_retail.parquet", DATA / "mapping.toml", progress=False)
        client.server = server
        yield client
    server.end(signal.SIGTERM)


def gate(recipe, line):
    return recipe.replace("[gate]\npromote = true", f"[gate]\n{line}")


def test_versions_are_trained_compared_promoted_and_rolled_back(bench, capsys):
    states = []
    first = bench.train("churn", progress=states.append)
    assert (first.model, first.version, first.promoted) == ("churn", 1, True)
    assert first.reason != ""
    assert first.metrics.loc["roc_auc", "value"] > first.metrics.loc["roc_auc", "base_rate"]
    assert states[-1].state == "succeeded"
    assert {state.kind for state in states} == {"training"}
    with pytest.raises(ValueError, match="first version"):
        bench.rollback("churn")

    stronger = gate(bench.recipe("churn"), "promote = false").replace("l2 = 10.0", "l2 = 500.0")
    second = bench.train("churn", recipe=stronger)  # with a bar, which goes to stderr
    assert "training churn" in capsys.readouterr().err
    assert (second.version, second.promoted) == (2, False)

    compared = bench.compare("churn")
    assert compared.columns.tolist() == ["better", 1, 2, "best"]
    assert compared.loc["log_loss", "better"] == "lower"
    values = compared.loc["log_loss"]
    assert values["best"] == str(1 if values[1] < values[2] else 2)
    assert bench.compare("churn", ["champion", 2]).columns.tolist() == compared.columns.tolist()

    # Its gate was not passed by the recipe's wish, or by its figures: the server decides.
    moved = bench.promote("churn", 2, force=True)
    assert (moved.version, moved.previous_version) == (2, 1)
    assert set(bench.predict("churn", [17850])["version"]) == {2}
    assert set(bench.predict("churn", [17850], version=1)["version"]) == {1}
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        bench.delete_version("churn", 2)
    assert caught.value.reason == "VERSION_IN_USE"
    with pytest.raises(patron_client.Aborted) as caught:
        bench.promote("churn", 1, etag="old")
    assert caught.value.reason == "ETAG_MISMATCH"
    back = bench.rollback("churn")
    assert (back.version, back.previous_version) == (1, 2)
    assert set(bench.predict("churn", [17850])["version"]) == {1}

    assert bench.promote("churn", 2, alias="challenger").alias == "challenger"
    assert set(bench.predict("churn", [17850], version="challenger")["version"]) == {2}
    bench.delete_alias("churn", "challenger")
    bench.delete_version("churn", 2)
    assert bench.versions("churn").index.tolist() == [1]
    with pytest.raises(patron_client.NotFound):
        bench.evaluation("churn", 2)


def test_a_version_that_failed_its_gate_is_not_promoted(bench):
    if bench.models().loc["churn", "champion"] is pd.NA:
        bench.train("churn", progress=False)
    strict = gate(bench.recipe("churn"), "promote = true\nmax_calibration_error = 0.0001")
    failed = bench.train("churn", recipe=strict, progress=False)
    assert not failed.promoted
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        bench.promote("churn", failed.version)
    assert caught.value.reason == "GATE_NOT_PASSED"
    assert bench.models().loc["churn", "champion"] != failed.version


def test_versions_of_different_dates_are_compared_with_a_warning(bench):
    if bench.models().loc["churn", "champion"] is pd.NA:
        bench.train("churn", progress=False)
    earlier = bench.train("churn", as_of="2011-11-10", progress=False)
    with pytest.warns(UserWarning, match="different dates"):
        compared = bench.compare("churn", ["champion", earlier.version])
    assert len(set(compared.attrs["judged_on"].values())) == 2


def test_a_recipe_that_does_not_hold_is_told(bench):
    with pytest.raises(patron_client.InvalidArgument) as caught:
        bench.train("churn", recipe='kind = "churn"\nactive_days = -1')
    assert caught.value.reason == "INVALID_RECIPE"
    assert caught.value.violations[0].field == "recipe_toml"
    with pytest.raises(patron_client.NotFound):
        bench.train("nope")


def test_the_path_of_a_recipe_is_no_recipe(shop):
    with pytest.raises(ValueError, match=r"give pathlib\.Path"):
        shop.train("churn", recipe="models/churn/recipe.toml")


def test_a_forecast_takes_in_the_periods_that_closed(bench):
    # As if two weeks ago: the champion of then knows nothing of the periods since.
    first = bench.train("forecast", as_of="2011-11-25", progress=False)
    bench.promote("forecast", first.version, force=True)
    updated = bench.train("forecast", update=True, progress=False)
    assert updated.version == first.version + 1
    assert bench.job(updated.job_id).raw.update
    assert updated.promoted, updated.reason
    ends = [bench.forecast("total", version=one.version)["ds"].min() for one in (first, updated)]
    assert ends[0] < ends[1]
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        bench.train("forecast", update=True, progress=False)
    assert caught.value.reason == "NOT_ENOUGH_DATA"
    with pytest.raises(patron_client.InvalidArgument) as caught:
        bench.train("churn", update=True, progress=False)
    assert caught.value.reason == "WRONG_MODEL_KIND"


def test_a_training_without_data_fails_with_its_job(patron):
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        patron.train("churn", progress=False)
    assert caught.value.reason == "NOT_ENOUGH_DATA"
    job = patron.job(caught.value.details["job_id"])
    assert job.state == "failed"
    assert job.error.reason == "NOT_ENOUGH_DATA"
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        patron.predict("churn", ["1"])
    assert caught.value.reason == "NO_CHAMPION"


def test_a_request_id_makes_one_job(bench):
    first = bench.train("rfm", request_id="rfm-1", progress=False)
    again = bench.train("rfm", request_id="rfm-1", progress=False)
    assert again == first
    with pytest.raises(patron_client.AlreadyExists) as caught:
        bench.train("rfm", request_id="rfm-1", seed=9, progress=False)
    assert caught.value.reason == "REQUEST_ID_REUSED"


def test_an_interruption_cancels_the_job(bench):
    states = []

    def interrupt(job):
        states.append(job)
        if job.state == "running" and len([one for one in states if one.state == "running"]) == 1:
            # As Ctrl-C does while the main thread waits for the next state.
            threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        bench.train("propensity", progress=interrupt)
    with pytest.raises(patron_client.Cancelled):
        bench.wait(states[0].id, progress=False)
    assert bench.job(states[0].id).state == "cancelled"
    assert pd.isna(bench.models().loc["propensity", "champion"])


def test_a_job_may_be_left_and_cancelled_later(bench):
    job = bench.train("propensity", wait=False)
    assert isinstance(job, Job)
    bench.cancel(job.id)
    with pytest.raises(patron_client.Cancelled) as caught:
        bench.wait(job, progress=False)
    assert caught.value.details["job_id"] == job.id


def test_a_training_is_followed_over_a_restart_of_the_server(bench):
    server, killed = bench.server, []

    def kill(job):
        if job.state == "running" and not killed:
            killed.append(job.id)
            server.end(signal.SIGKILL)
            server.start()

    trained = bench.train("segments", progress=kill)
    assert trained.version == 1
    assert trained.job_id == killed[0]
    assert bench.job(killed[0]).attempt == 2


def test_an_alias_that_somebody_else_moved_is_not_rolled_back(bench):
    versions = [bench.train("rfm", seed=seed, progress=False).version for seed in (1, 2)]
    bench.promote("rfm", versions[1], force=True)

    class Late(Client):
        def _model(self, model):
            found = super()._model(model)
            bench.promote(model, versions[0], force=True)
            return found

    with Late(bench.server.address) as late:
        with pytest.raises(patron_client.Aborted):
            late.rollback("rfm")
    assert bench.models().loc["rfm", "champion"] == versions[0]


class Bar:
    """In place of a progress bar: does something after so many parts were answered."""

    def __init__(self, after, act):
        self.after = after
        self.act = act
        self.answered = []

    def __call__(self, *arguments, **settings):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def update(self, rows):
        self.answered.append(rows)
        if len(self.answered) == self.after:
            self.act()


def test_a_large_question_is_answered_over_a_restart_of_the_server(bench, customers, monkeypatch):
    if bench.models().loc["churn", "champion"] is pd.NA:
        bench.train("churn", progress=False)

    def restart():
        bench.server.end(signal.SIGKILL)
        bench.server.start()

    calm = bench.predict("churn", customers)
    bar = Bar(3, restart)
    monkeypatch.setattr(_predict, "rows_bar", bar)
    shaken = bench.predict("churn", customers, chunk_rows=300)
    assert sum(bar.answered) == len(customers)
    assert len(bar.answered) == -(-len(customers) // 300), "no part is counted twice"
    pd.testing.assert_frame_equal(shaken, calm)


def test_a_large_question_is_answered_by_one_version(bench, customers, monkeypatch):
    if bench.models().loc["churn", "champion"] is pd.NA:
        bench.train("churn", progress=False)
    before = int(bench.models().loc["churn", "champion"])
    recipe = gate(bench.recipe("churn"), "promote = false")
    other = bench.train("churn", recipe=recipe, seed=5, progress=False).version
    bar = Bar(1, lambda: bench.promote("churn", other, force=True))
    monkeypatch.setattr(_predict, "rows_bar", bar)
    answers = bench.predict("churn", customers, chunk_rows=300)
    assert bench.rollback("churn").previous_version == other, "it was promoted meanwhile"
    assert set(answers["version"]) == {before}
