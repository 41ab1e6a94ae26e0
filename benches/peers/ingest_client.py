"""Streams the lines of a Parquet file into a Patron server; prints `seconds=` and the acknowledgements.

Encoding the chunks in Python takes far longer than storing them, so part after part is encoded
beforehand and only the streaming counts. Four chunks are on the way at a time.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Iterator

import duckdb
import grpc

from ingest_peers import COLUMNS
from server import make_stubs

IN_FLIGHT = 4
PART = 200
METHOD = "/patron.v1.TransactionService/IngestTransactions"


def encode(rows: list[tuple[Any, ...]], number: int) -> bytes:
    """A chunk as it goes over the wire; `recorded_at` is the server's to say."""
    from patron.v1 import common_pb2, transaction_service_pb2

    chunk = transaction_service_pb2.IngestTransactionsRequest(chunk_id=str(number))
    for (customer, order, line, at, product, category, quantity, price, discount, cost, currency, channel, store,
         promotion, country, cancels, _) in rows:
        added = common_pb2.TransactionLine(
            customer_id=customer or "", order_id=order or "", line_number=line, product_id=product,
            category=category or "", quantity_thousandths=quantity, unit_price_micros=price, discount_micros=discount,
            unit_cost_micros=cost, currency=currency or "", channel=channel or "", store_id=store or "",
            promotion_id=promotion or "", country=country or "", cancels_order_id=cancels or "")
        added.occurred_at.FromMicroseconds(at)
        chunk.lines.append(added)
    return chunk.SerializeToString()


def stream(channel: grpc.Channel, chunks: list[bytes], answer: Any) -> tuple[float, list[float]]:
    """Sends encoded chunks; returns the seconds and how long each waited for its answer."""
    window, sent, waits = threading.Semaphore(IN_FLIGHT), deque(), []

    def requests() -> Iterator[bytes]:
        for chunk in chunks:
            window.acquire()
            sent.append(time.perf_counter())
            yield chunk

    call = channel.stream_stream(METHOD, request_serializer=None, response_deserializer=answer.FromString)
    started = time.perf_counter()
    for response in call(requests()):
        waits.append(time.perf_counter() - sent.popleft())
        window.release()
        if response.refused:
            raise SystemExit(f"{response.refused} lines were refused: {response.refusals[0].message}")
    return time.perf_counter() - started, waits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parquet", type=Path, required=True)
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--chunk", type=int, default=1000)
    args = parser.parse_args()
    make_stubs()
    from patron.v1 import transaction_service_pb2

    source = duckdb.connect().execute(f"SELECT {COLUMNS} FROM read_parquet('{args.parquet}')")
    seconds, waits, number, at_end = 0.0, [], 0, False
    with grpc.insecure_channel(args.endpoint) as channel:
        while not at_end:
            chunks = []
            while len(chunks) < PART and (rows := source.fetchmany(args.chunk)):
                chunks.append(encode(rows, number := number + 1))
            at_end = len(chunks) < PART
            if chunks:
                took, found = stream(channel, chunks, transaction_service_pb2.IngestTransactionsResponse)
                seconds, waits = seconds + took, waits + found
    waits.sort()
    middle, high = (waits[int(len(waits) * part)] * 1e3 for part in (0.5, 0.99))
    print(f"seconds={seconds:.4f} client=python ack_p50_ms={middle:.2f} ack_p99_ms={high:.2f}")


if __name__ == "__main__":
    main()
