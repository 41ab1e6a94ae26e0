"""Features of customers as of a date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from . import _convert
from ._connection import Connection
from ._predict import IdRows, Ids
from ._proto import common_pb2
from ._proto import feature_service_pb2 as wire
from .errors import from_status

_MOST_ROWS = 5_000


def definitions(
    connection: Connection, model: str, selector: common_pb2.ModelSelector | None
) -> pd.DataFrame:
    """See `Client.feature_definitions`."""
    digest = ""

    def listed() -> Iterator[Any]:
        nonlocal digest
        request = wire.ListFeaturesRequest(model=model, selector=selector, page_size=1_000)
        while True:
            page = connection.call(connection.feature_service.ListFeatures, request)
            digest = page.schema_digest
            yield from page.features
            request.page_token = page.next_page_token
            if not request.page_token:
                return

    rows = [
        {
            "name": one.name,
            "unit": one.unit,
            "window": one.window,
            "meaning": one.meaning,
            "no_history_value": (
                one.no_history_value if one.HasField("no_history_value") else np.nan
            ),
        }
        for one in listed()
    ]
    columns = ["name", "unit", "window", "meaning", "no_history_value"]
    frame = pd.DataFrame(rows, columns=columns).set_index("name")
    frame.attrs["schema_digest"] = digest
    return frame


def features(
    connection: Connection,
    ids: Ids,
    as_of: _convert.Time | None,
    model: str,
    selector: common_pb2.ModelSelector | None,
) -> pd.DataFrame:
    """See `Client.features`."""
    rows = IdRows(ids)
    assert rows.ids is not None
    asked_for = _convert.timestamp(as_of)
    answers = []
    for start in range(0, max(1, len(rows)), _MOST_ROWS):
        part = rows.ids[start : start + _MOST_ROWS]
        if not part:
            return _empty(definitions(connection, model, selector))
        request = wire.BatchGetFeaturesRequest(
            customer_ids=part,
            as_of=asked_for,
            model=model,
            selector=selector,
            encoding=wire.FEATURE_ENCODING_F32_LE,
        )
        answers.append(connection.call(connection.feature_service.BatchGetFeatures, request))
        # Later parts are of the date of the first; without a model its schema goes by the date.
        asked_for = answers[0].as_of
    first = answers[0]
    names = list(first.features.columns)
    digests = {answer.features.schema_digest for answer in answers}
    if len(digests) > 1:
        raise RuntimeError("the schema changed while the features were read; ask again")
    values = [
        np.frombuffer(answer.features.f32_le, dtype="<f4").reshape(-1, len(names))
        for answer in answers
    ]
    frame = pd.DataFrame(np.concatenate(values), columns=names)
    frame.index = pd.Index(rows.ids, name="customer_id")
    frame["status"] = [
        _STATUSES.get(one, "unknown") for answer in answers for one in answer.statuses
    ]
    newest = [micros for answer in answers for micros in answer.last_line_time_micros]
    frame["last_line_time"] = _convert.moments(newest, zero_is_missing=True)
    errors: list[str | None] = [None] * len(rows)
    for part_number, answer in enumerate(answers):
        for error in answer.errors:
            offset = part_number * _MOST_ROWS
            told = from_status(error.status, offset=offset)
            errors[offset + error.row] = str(told)
    frame["error"] = pd.Series(errors, index=frame.index, dtype="object")
    # The server fills refused rows with the values of a customer without history.
    frame.loc[(frame["status"] == "refused").to_numpy(), names] = np.nan
    frame.attrs["as_of"] = _convert.moment(first.as_of)
    frame.attrs["schema_digest"] = first.features.schema_digest
    frame.attrs["features"] = names
    return frame


def _empty(known: pd.DataFrame) -> pd.DataFrame:
    frame = pd.DataFrame(columns=list(known.index), dtype="float32")
    frame.index = pd.Index([], name="customer_id", dtype="object")
    frame["status"] = pd.Series(dtype="object")
    frame["last_line_time"] = _convert.moments([])
    frame["error"] = pd.Series(dtype="object")
    frame.attrs["schema_digest"] = known.attrs["schema_digest"]
    frame.attrs["features"] = list(known.index)
    return frame


_STATUSES: dict[int, str] = {
    number: name.removeprefix("FEATURE_ROW_STATUS_").lower() if number != 0 else "refused"
    for name, number in wire.FeatureRowStatus.items()
}
