"""Transaction lines from a DataFrame; a broken connection loses and doubles nothing."""

from __future__ import annotations

import dataclasses
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pandas as pd

from ._connection import Connection, Patience
from ._lines import LineTable
from ._progress import rows_bar
from ._proto import transaction_service_pb2 as wire
from .errors import PatronError, Unavailable, from_rpc

_LARGEST_CHUNK = 3 * 1024 * 1024  # bytes; the server takes messages of 4 MiB by default
_IN_FLIGHT = 4  # chunks that were sent and not acknowledged
_REFUSAL_COLUMNS = ("row", "index", "field", "message")


@dataclasses.dataclass(frozen=True)
class IngestReport:
    """What became of the rows of a frame.

    Attributes
    ----------
    rows : int
        Rows that were handed over, and of which the server or this client said what became.
    accepted : int
        New lines stored.
    duplicates : int
        Lines that were stored before, unchanged. Where chunks had to be sent again, lines count
        here that this very call had stored before the connection broke.
    corrected : int
        Lines known by order and line number whose content changed.
    refused : int
        Rows that do not hold and were not stored.
    refusals : pandas.DataFrame
        A row for each of them: `row`, its position in the frame from 0; `index`, its label there;
        the `field` at fault and a `message`.
    chunks : int
        Acknowledged messages.
    resent_chunks : int
        Messages that were sent more than once.
    seconds : float
        How long it took.
    """

    rows: int
    accepted: int
    duplicates: int
    corrected: int
    refused: int
    refusals: pd.DataFrame = dataclasses.field(repr=False, compare=False)
    chunks: int
    resent_chunks: int
    seconds: float


class Ingest:
    """One frame on its way to the server."""

    def __init__(
        self,
        connection: Connection,
        lines: LineTable,
        index: pd.Index[Any],
        *,
        chunk_size: int,
        retry_for: float,
        progress: bool,
    ) -> None:
        self._connection = connection
        self._lines = lines
        self._index = index
        self._retry_for = retry_for
        self._progress = progress
        self._chunk_size = chunk_size
        self._name = uuid.uuid4().hex[:16]
        self._order, self._fresh = lines.order()
        # Chunks are positions in `_order`; their ends are settled when they are first made.
        self._ends: dict[int, int] = {}
        self._acknowledged = 0
        self._sent: set[int] = set()
        self._resent: set[int] = set()
        self._chunks = 0
        self._counts = {"accepted": 0, "duplicates": 0, "corrected": 0}
        self._refusals = [(row, field, message) for row, (field, message) in lines.problems.items()]
        self._began = time.monotonic()

    def run(self) -> IngestReport:
        """Sends everything; raises with the report so far where that cannot be done."""
        patience = Patience(self._retry_for)
        with rows_bar(self._lines.rows, "ingest", "lines", show=self._progress) as bar:
            bar.update(len(self._lines.problems))
            while self._acknowledged < len(self._order):
                before = self._acknowledged
                try:
                    self._stream(bar)
                except PatronError as error:
                    if self._acknowledged > before:
                        patience.renew()
                    error.details["report"] = self.report()
                    patience.rest(error)
        return self.report()

    def report(self) -> IngestReport:
        """What is known so far."""
        refusals = pd.DataFrame(sorted(self._refusals), columns=["row", "field", "message"])
        labels = self._index.take(refusals["row"].to_numpy("int64")).to_flat_index()
        refusals.insert(1, "index", labels)
        return IngestReport(
            rows=self._acknowledged + len(self._lines.problems),
            **self._counts,
            refused=len(refusals),
            refusals=refusals[list(_REFUSAL_COLUMNS)],
            chunks=self._chunks,
            resent_chunks=len(self._resent),
            seconds=time.monotonic() - self._began,
        )

    def _stream(self, bar: Any) -> None:
        """Sends what is not acknowledged over one stream, until all is or the stream breaks."""
        room = threading.Semaphore(_IN_FLIGHT)
        over = threading.Event()
        broken: list[Exception] = []

        def requests() -> Iterator[wire.IngestTransactionsRequest]:
            try:
                at = self._safe_start()
                while at < len(self._order):
                    room.acquire()
                    if over.is_set():
                        return
                    chunk = self._chunk(at)
                    (self._resent if at in self._sent else self._sent).add(at)
                    yield chunk
                    at = self._ends[at]
            except Exception as error:  # grpc would only say that iterating failed
                broken.append(error)
                raise

        call = self._connection.open_stream(
            self._connection.transactions.IngestTransactions, requests()
        )
        try:
            for answer in call:
                room.release()
                self._take(answer, bar)
        except grpc.RpcError as error:
            if broken:
                raise broken[0] from None
            raise from_rpc(error) from None
        finally:
            over.set()
            room.release()
            call.cancel()
        if self._acknowledged < len(self._order):
            raise Unavailable("the server ended the stream before it had answered all chunks")

    def _safe_start(self) -> int:
        """The first chunk to send over a new stream: not after a part of a group of equal lines."""
        at = self._acknowledged
        if at == 0 or at == len(self._order) or self._fresh[at]:
            return at
        starts = sorted(start for start in self._ends if start < at)
        return next((start for start in reversed(starts) if self._fresh[start]), 0)

    def _chunk(self, at: int) -> wire.IngestTransactionsRequest:
        end = self._ends.get(at)
        settled = end is not None
        if end is None:
            end = min(at + self._chunk_size, len(self._order))
            if end < len(self._order):
                fresh = (here for here in range(end, at, -1) if self._fresh[here])
                end = next(fresh, end)
        while True:
            chunk = wire.IngestTransactionsRequest(chunk_id=f"{self._name}-{at}")
            self._lines.fill(chunk.lines, self._order[at:end])
            if settled or end - at == 1 or chunk.ByteSize() <= _LARGEST_CHUNK:
                self._ends[at] = end
                return chunk
            end = at + (end - at) // 2

    def _take(self, answer: wire.IngestTransactionsResponse, bar: Any) -> None:
        at = int(answer.chunk_id.rpartition("-")[2])
        if at < self._acknowledged:
            return  # sent again only to count equal lines rightly; it was taken before
        end = self._ends[at]
        self._counts["accepted"] += answer.accepted
        self._counts["duplicates"] += answer.duplicates
        self._counts["corrected"] += answer.corrected
        for refusal in answer.refusals:
            self._refusals.append((self._order[at + refusal.row], refusal.field, refusal.message))
        self._acknowledged = end
        self._chunks += 1
        bar.update(end - at)
        if self._refusals:
            bar.set_postfix_str(f"{len(self._refusals)} refused", refresh=False)
