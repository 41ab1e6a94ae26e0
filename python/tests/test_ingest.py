"""Lines from frames, against a real server."""

import decimal
import signal

import numpy as np
import pandas as pd
import pytest
from conftest import COLUMNS, ZONE

import patron_client
from patron_client import Client, _ingest


def receipt(**columns):
    """Three numbered lines of one receipt."""
    values = {
        "customer_id": 17850,
        "order_id": "r1",
        "line_number": [1, 2, 3],
        "occurred_at": pd.Timestamp("2011-06-01 12:00", tz="Europe/London"),
        "product_id": ["85123A", "71053", "84406B"],
        "quantity": [6, 6, -1],
        "unit_price": [decimal.Decimal("2.55"), decimal.Decimal("3.39"), decimal.Decimal("2.75")],
    }
    return pd.DataFrame({**values, **columns})


def counts(report):
    return (report.accepted, report.duplicates, report.corrected, report.refused)


def test_lines_are_new_then_known_then_corrected(patron):
    assert counts(patron.ingest(receipt(), progress=False)) == (3, 0, 0, 0)
    assert counts(patron.ingest(receipt(), progress=False)) == (0, 3, 0, 0)
    changed = receipt(quantity=[6, 7, -1])
    assert counts(patron.ingest(changed, progress=False)) == (0, 2, 1, 0)
    customer = patron.customer(17850)
    assert customer.spend == decimal.Decimal("15.30") + decimal.Decimal("23.73") - decimal.Decimal(
        "2.75"
    )
    assert (customer.visits, customer.line_count, customer.return_count) == (1, 3, 1)
    assert customer.lines["quantity"].sum() == 12
    # What is shown is what can be sent.
    assert counts(patron.ingest(customer.lines, progress=False)) == (0, 3, 0, 0)


def test_refusals_name_the_row_of_the_frame(patron):
    frame = receipt(
        quantity=[6, 0, 2],
        unit_price=pd.Series([2.55, 3.39, "cheap"], dtype="object"),
        country=["UK", "UK", "x" * 300],
    )
    frame = pd.concat([receipt(order_id="r0"), frame], ignore_index=True)
    frame.index = [f"line-{place}" for place in range(6)]
    report = patron.ingest(frame, chunk_size=2, progress=False)
    assert counts(report) == (4, 0, 0, 2)
    assert report.rows == 6
    told = report.refusals
    assert told[["row", "index", "field"]].values.tolist() == [
        [4, "line-4", "quantity"],
        [5, "line-5", "unit_price"],
    ]
    assert told["message"].tolist() == [
        "quantity: expected a number other than 0",
        "expected a number, found 'cheap'",
    ]


def test_labels_of_several_levels_are_told(patron):
    frame = receipt(quantity=[1, 0, 0])
    frame.index = pd.MultiIndex.from_product([["web"], [7, 8, 9]])
    report = patron.ingest(frame, progress=False)
    assert report.refusals["index"].tolist() == [("web", 8), ("web", 9)]


def test_every_row_may_be_refused_and_none_may_be_there(patron):
    report = patron.ingest(receipt(product_id=None), progress=False)
    assert counts(report) == (0, 0, 0, 3)
    assert set(report.refusals["field"]) == {"product_id"}
    report = patron.ingest(receipt().iloc[:0], progress=False)
    assert counts(report) == (0, 0, 0, 0)
    assert report.refusals.empty


def test_another_currency_is_refused(patron):
    report = patron.ingest(receipt(), constants={"currency": "USD"}, progress=False)
    assert counts(report) == (0, 0, 0, 3)
    assert set(report.refusals["field"]) == {"currency"}


def test_a_frame_is_read_as_the_server_reads_the_file(patron, tmp_path):
    """Clock changes, roundings, floats as keys: what the file brought is known line by line."""
    source = np.random.default_rng(3)
    rows = 4_000
    minutes = pd.date_range("2011-03-26 22:00", "2011-03-27 04:00", freq="min")
    autumn = pd.date_range("2011-10-29 22:00", "2011-10-30 04:00", freq="min")
    clock = source.choice(np.concatenate([minutes, autumn]), rows)
    frame = pd.DataFrame(
        {
            "customer_id": np.where(source.random(rows) < 0.2, np.nan, source.integers(1, 9, rows)),
            "order_id": source.integers(1, 400, rows).astype(str),
            "occurred_at": clock,
            "product_id": source.choice(["a", "b", "ä"], rows),
            "quantity": source.choice([1.0, 0.3335, -2.0, 1.0005], rows),
            "unit_price": source.choice([0.1 + 0.2, 2.675, 0.0000005, 0.0000015, 1e9 / 3], rows),
            "discount": source.choice([0.0, 0.1], rows),
        }
    )
    frame.to_parquet(tmp_path / "lines.parquet")
    mapping = {
        "file": {"format": "parquet"},
        "time": {"zone": ZONE},
        "columns": {name: name for name in frame.columns},
    }
    imported = patron.import_file(tmp_path / "lines.parquet", mapping, progress=False)
    assert (imported.accepted, imported.refused) == (rows, 0)
    report = patron.ingest(frame, time_zone=ZONE, chunk_size=300, progress=False)
    assert counts(report) == (0, rows, 0, 0)


def test_a_frame_with_time_zone_missing_sends_nothing(patron):
    naive = receipt(occurred_at=pd.Timestamp("2011-06-01 12:00"))
    with pytest.raises(ValueError, match="time_zone"):
        patron.ingest(naive, progress=False)
    with pytest.raises(patron_client.NotFound) as caught:
        patron.customer(17850)
    assert caught.value.reason == "CUSTOMER_NOT_FOUND"


def test_large_lines_are_sent_in_smaller_chunks(patron):
    rows = 9_000
    long = dict.fromkeys(("category", "channel", "store_id", "promotion_id"), "x" * 250)
    frame = pd.DataFrame(
        {
            "customer_id": "c",
            "order_id": "o",
            "line_number": range(rows),
            "occurred_at": pd.Timestamp("2011-06-01", tz="UTC"),
            "product_id": "p",
            "quantity": 1,
            "unit_price": 1,
            **long,
        }
    )
    report = patron.ingest(frame, chunk_size=10_000, progress=False)
    assert counts(report) == (rows, 0, 0, 0)
    assert report.chunks > 1


def test_a_server_that_is_killed_loses_and_doubles_nothing(server, patron, receipts, monkeypatch):
    frame = receipts.head(40_000).copy()
    # Everybody has a key, so that all that is stored can be counted.
    frame["CustomerID"] = frame["CustomerID"].fillna(1)
    assert frame.duplicated().sum() > 100, "equal lines, which only their count tells apart"
    take, kills = _ingest.Ingest._take, []

    def take_and_kill(self, answer, bar):
        take(self, answer, bar)
        if self._chunks in (5, 12) and self._chunks not in kills:
            kills.append(self._chunks)
            server.end(signal.SIGKILL)
            server.start()

    monkeypatch.setattr(_ingest.Ingest, "_take", take_and_kill)
    report = patron.ingest(frame, COLUMNS, time_zone=ZONE, chunk_size=1_000, progress=False)
    assert kills == [5, 12]
    assert report.rows == len(frame)
    assert report.accepted + report.duplicates == len(frame)
    assert report.resent_chunks > 0
    stored = [patron.customer(key) for key in frame["CustomerID"].astype(int).unique()]
    assert sum(one.line_count for one in stored) == len(frame)
    amounts = (frame["UnitPrice"] * 1000).round().astype("int64") * frame["Quantity"]
    assert sum(one.spend for one in stored) == decimal.Decimal(int(amounts.sum())) / 1000
    again = patron.ingest(frame, COLUMNS, time_zone=ZONE, progress=False)
    assert counts(again) == (0, len(frame), 0, 0)


def test_equal_lines_all_count_over_a_restart(server, patron, monkeypatch):
    # Nothing tells these lines apart but their count within a stream.
    frame = pd.concat([receipt(line_number=None).head(1)] * 30, ignore_index=True)
    take, kills = _ingest.Ingest._take, []

    def take_and_kill(self, answer, bar):
        take(self, answer, bar)
        if self._chunks == 1 and not kills:
            kills.append(1)
            server.end(signal.SIGKILL)
            server.start()

    monkeypatch.setattr(_ingest.Ingest, "_take", take_and_kill)
    report = patron.ingest(frame, chunk_size=10, progress=False)
    assert kills == [1]
    assert report.accepted + report.duplicates == 30
    assert patron.customer(17850).line_count == 30


def test_a_customer_is_erased_once(patron):
    patron.ingest(receipt(), progress=False)
    first = patron.erase_customer(17850, request_id="erase-1")
    assert first.lines == 3
    assert patron.erase_customer("17850", request_id="erase-1") == first
    assert patron.erase_customer(17850).lines == 0
    with pytest.raises(patron_client.NotFound):
        patron.customer(17850)


def test_a_file_with_too_many_refusals_is_told_with_its_first_ones(patron, tmp_path):
    frame = receipt(quantity=[6, 0, 0], unit_price=[1.0, 2.0, 3.0])
    frame.to_csv(tmp_path / "lines.csv", index=False)
    mapping = {"columns": {name: name for name in frame.columns}}
    states = []
    with pytest.raises(patron_client.FailedPrecondition) as caught:
        patron.import_file(tmp_path / "lines.csv", mapping, progress=states.append)
    error = caught.value
    assert error.reason == "TOO_MANY_REFUSALS"
    assert "row 2: quantity: expected a number other than 0; row 3: " in error.message
    assert states[-1].state == "failed"
    job = patron.job(error.details["job_id"])
    assert (job.kind, job.state) == ("import", "failed")
    done = patron.import_file(
        tmp_path / "lines.csv", mapping, max_refused_percent=70, progress=False
    )
    assert (done.rows_read, done.accepted, done.refused) == (3, 1, 2)
    assert done.first_refusals["row"].tolist() == [2, 3]
    assert set(done.first_refusals["field"]) == {"quantity"}
    assert done.refusals_by_reason == {"zero_quantity": 2}


def test_wrong_mappings_and_files_are_told(patron, tmp_path):
    with pytest.raises(patron_client.InvalidArgument) as caught:
        patron.import_file(tmp_path / "none.csv", {"columns": {"customer_id": "c"}})
    assert caught.value.reason == "INVALID_MAPPING"
    assert {one.field for one in caught.value.violations} == {"mapping_toml"}
    full = {name: name for name in ("occurred_at", "product_id", "quantity", "unit_price")}
    with pytest.raises(patron_client.NotFound) as caught:
        patron.import_file(tmp_path / "none.csv", {"columns": full})
    assert caught.value.reason == "SOURCE_NOT_FOUND"


def test_a_server_that_is_gone_is_told(server, patron):
    server.end(signal.SIGKILL)
    with Client(server.address, max_attempts=2) as client:
        with pytest.raises(patron_client.Unavailable):
            client.models()
        with pytest.raises(patron_client.Unavailable) as caught:
            client.ingest(receipt(), retry_for=0.5, progress=False)
    assert caught.value.details["report"].rows == 0
    server.start()
    assert counts(patron.ingest(receipt(), progress=False)) == (3, 0, 0, 0)
