"""Many rows in parts: the first by a call of its own, the others over a stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import grpc

from ._connection import Connection, Patience
from .errors import PatronError, Unavailable, from_rpc, from_status

_IN_FLIGHT = 4  # items that were sent and not answered


class Stream:
    """Items over one of the streaming methods, answered in their order.

    Parameters
    ----------
    connection
        The connection.
    method
        The streaming method.
    item
        Its request message, with `sequence` and `request`.
    make
        The request of a part, by its number.
    offsets
        How many rows went before each part.
    """

    def __init__(
        self,
        connection: Connection,
        method: Callable[..., Any],
        item: Callable[..., Any],
        make: Callable[[int], Any],
        offsets: Sequence[int],
    ) -> None:
        self._connection = connection
        self._method = method
        self._item = item
        self._make = make
        self._offsets = offsets

    def answers(self, first: int) -> Iterator[Any]:
        """The answers to all parts from `first` on.

        Predictions change nothing, so a part without an answer is sent again over a new stream
        where the connection broke.
        """
        at = first
        patience = Patience(self._connection.retry_for)
        while at < len(self._offsets):
            before = at
            try:
                for answer in self._attempt(at):
                    yield answer
                    at += 1
            except PatronError as error:
                if at > before:
                    patience.renew()
                patience.rest(error)

    def _attempt(self, first: int) -> Iterator[Any]:
        room = threading.Semaphore(_IN_FLIGHT)
        over = threading.Event()
        broken: list[Exception] = []

        def requests() -> Iterator[Any]:
            try:
                for part in range(first, len(self._offsets)):
                    room.acquire()
                    if over.is_set():
                        return
                    yield self._item(sequence=part, request=self._make(part))
            except Exception as error:  # grpc would only say that iterating failed
                broken.append(error)
                raise

        call = self._connection.open_stream(self._method, requests())
        expected = first
        try:
            for answer in call:
                room.release()
                if answer.WhichOneof("outcome") == "error":
                    raise from_status(answer.error, offset=self._offsets[answer.sequence])
                expected += 1
                yield answer.response
        except grpc.RpcError as error:
            if broken:
                raise broken[0] from None
            raise from_rpc(error) from None
        finally:
            over.set()
            room.release()
            call.cancel()
        if expected < len(self._offsets):
            raise Unavailable("the server ended the stream before it had answered all items")
