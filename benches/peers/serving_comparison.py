"""`compare.py serving`: one logistic regression behind Patron, a bare tonic server and Python servers."""

from __future__ import annotations

import os
import statistics
from argparse import Namespace
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Callable

from environment import Unavailable
from measure import Failed, load_note, shown
from serving_load import Answered, Asked, ask
from serving_model import Prepared, prepare
from serving_sides import PEERS_BY_NAME, Bare, BareThreads, Patron, Side

# The bare server knows no customers and no streams: these are held to a single call about as many rows.
BARE_CASE = {"id1": "row1", "stream1": "row1", "stream1000": "rows1000"}
# Shares of the rate that was answered before, at which calls are sent whatever the server does.
RATES = {"half": 0.5, "overload": 2.0}
DEADLINE_MS = 50
TOLERANCE = 1e-4

Found = dict[tuple[str, str], list[Answered]]


@dataclass(frozen=True)
class Times:
    rounds: int
    seconds: float
    warm_up: float


def main(args: Namespace) -> int:
    if len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("serving needs two cores: one for the server, one for the generator")
    times = Times(1, 1.5, 0.4) if args.quick else Times(args.rounds, args.seconds, 1.0)
    prepared = prepare(args.lines)
    load_note()
    servers: dict[str, Callable[[Prepared], Side]] = {side.name: side for side in (Patron, Bare, BareThreads)}
    servers |= {name: PEERS_BY_NAME[name] for name in args.peers}
    missing: dict[str, str] = {}
    found: Found = defaultdict(list)
    for number in range(times.rounds):
        for name in list(servers)[:: 1 if number % 2 == 0 else -1]:
            if name in missing:
                continue
            try:
                with servers[name](prepared) as side:
                    measure(side, times, found)
            except (Unavailable, Failed) as error:
                missing[name] = "_".join(str(error).split())[:200]
    for case in dict.fromkeys(case for case, _ in found):
        for name in servers:
            if (case, name) in found:
                report(case, name, found)
    for name, why in missing.items():
        print(f"serving peer={name} skipped={why}")
    return 2 if {"patron", "bare"} & set(missing) else 0


def measure(side: Side, times: Times, found: Found) -> None:
    """All cases of a server that runs."""
    off = side.difference()
    if off > TOLERANCE:
        raise Failed(f"{side.name} answers other probabilities, by {off:.1e}")
    for case, (what, (connections, waiting)) in side.cases().items():
        asked = Asked(what, connections, waiting, times.seconds, times.warm_up)
        found[case, side.name].append(ask(side.endpoint, side.pid, asked))
    # Overload last of all: what waits after it, and the memory it took, would count for another case.
    for case, of in {"half": "row1", "overload": side.overload}.items():
        if of:
            before = found[of, side.name][-1]
            asked = replace(before.asked, rate=RATES[case] * before.number("rps"), deadline_ms=DEADLINE_MS)
            found[case, side.name].append(ask(side.endpoint, side.pid, asked))


def report(case: str, name: str, found: Found) -> None:
    rounds = found[case, name]

    def middle(key: str) -> float:
        return statistics.median(answered.number(key) for answered in rounds)

    def ratio(other: str, of: str) -> str:
        others = found.get((of, other))
        if not others or case in RATES:
            return "-"
        theirs = statistics.median(answered.number("cpu_s_per_1k") for answered in others)
        return shown(middle("cpu_s_per_1k") / theirs) if theirs else "-"

    # Where nothing was answered in time there are no quantiles.
    quantiles = " ".join(f"{key}={middle(key):.0f}" for key in ("p50_us", "p99_us", "p999_us")).replace("nan", "-")
    print(f"serving case={case} peer={name} rps={middle('rps'):.0f} rows_s={middle('rows_s'):.0f} {quantiles} "
          f"cpu_s_per_1k={middle('cpu_s_per_1k'):.5f} rss_mb={middle('rss_mib'):.0f} "
          f"ratio_to_bare={ratio('bare', BARE_CASE.get(case, case))} ratio_to_ours={ratio('patron', case)}")
    if case in RATES:
        rate = statistics.median(answered.asked.rate for answered in rounds)
        print(f"  offered_s={rate:.0f} deadline_ms={DEADLINE_MS} "
              f"goodput_of_capacity={middle('rps') * RATES[case] / rate:.2f} "
              f"refused_p99_us={rounds[-1].values.get('refused_p99_us', '-')}")
    spans = [answered.number("cpu_s_per_1k") for answered in rounds]
    loads = ",".join(answered.values["load"] for answered in rounds)
    print(f"  cpu_s_per_1k={min(spans):.5f}..{max(spans):.5f} errors={rounds[-1].values['errors']} "
          f"rounds={len(rounds)} load={loads}", flush=True)
