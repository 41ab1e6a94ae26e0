"""Imports, trainings and scorings: one view of the three types of jobs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import grpc
import pandas as pd

from . import _convert
from ._connection import Connection, Patience, new_request_id
from ._progress import JobBar
from ._proto import common_pb2, scoring_service_pb2, training_service_pb2, transaction_service_pb2
from .errors import Cancelled, NotFound, PatronError, Unavailable, from_rpc, from_status

FINAL = ("succeeded", "failed", "cancelled")
"""States that stay."""

SCHEDULED = "schedule/"
"""How the request ids of jobs begin that recipes schedule."""


@dataclasses.dataclass(frozen=True)
class Job:
    """A job as it stands.

    Attributes
    ----------
    id : str
        Its id.
    kind : str
        ``import``, ``training`` or ``scoring``.
    state : str
        ``queued``, ``running``, ``succeeded``, ``failed`` or ``cancelled``.
    origin : str
        Who asked for it: a ``schedule`` of a recipe or a ``call``.
    subject : str
        The name of an import's file, the model of a training, the models of a scoring.
    stage : str
        The step that is running, ``fitting`` for example.
    fraction : float
        Done part of the whole job, 0 to 1.
    message : str
        One line for people.
    created, started, ended : pandas.Timestamp or None
        When, in UTC.
    attempt : int
        How often it was begun.
    error : PatronError or None
        Why it failed or was cancelled.
    raw : google.protobuf.message.Message
        The message of the server, with everything it told.
    """

    id: str
    kind: str
    state: str
    origin: str
    subject: str
    stage: str
    fraction: float
    message: str
    created: pd.Timestamp | None
    started: pd.Timestamp | None
    ended: pd.Timestamp | None
    attempt: int
    error: PatronError | None
    raw: Any = dataclasses.field(repr=False, compare=False)

    @property
    def done(self) -> bool:
        """Whether it reached a final state."""
        return self.state in FINAL


@dataclasses.dataclass(frozen=True)
class _Kind:
    """How the methods of one type of job are called."""

    name: str
    noun: str  # as in Get{noun}
    messages: Any
    service: Callable[[Connection], Any]
    subject: Callable[[Any], str]

    def method(self, connection: Connection, verb: str, ending: str = "") -> Any:
        return getattr(self.service(connection), f"{verb}{self.noun}{ending}")

    def request(self, verb: str, ending: str = "", **fields: Any) -> Any:
        return getattr(self.messages, f"{verb}{self.noun}{ending}Request")(**fields)


KINDS = {
    kind.name: kind
    for kind in (
        _Kind(
            "import",
            "ImportJob",
            transaction_service_pb2,
            lambda connection: connection.transactions,
            lambda job: str(job.source_uri).rpartition("/")[2],
        ),
        _Kind(
            "training",
            "TrainingJob",
            training_service_pb2,
            lambda connection: connection.training,
            lambda job: str(job.model),
        ),
        _Kind(
            "scoring",
            "ScoringJob",
            scoring_service_pb2,
            lambda connection: connection.scoring,
            lambda job: ", ".join(model.model for model in job.models),
        ),
    )
}


def view(kind: str, raw: Any) -> Job:
    """A job of the wire."""
    error = None
    if raw.HasField("error"):
        error = from_status(raw.error)
        error.details["job_id"] = raw.job_id
    return Job(
        id=raw.job_id,
        kind=kind,
        state=common_pb2.JobState.Name(raw.state).removeprefix("JOB_STATE_").lower(),
        origin="schedule" if raw.request_id.startswith(SCHEDULED) else "call",
        subject=KINDS[kind].subject(raw),
        stage=raw.progress.stage,
        fraction=raw.progress.fraction,
        message=raw.progress.message,
        created=_convert.present(raw, "create_time"),
        started=_convert.present(raw, "start_time"),
        ended=_convert.present(raw, "end_time"),
        attempt=raw.attempt,
        error=error,
        raw=raw,
    )


def find(connection: Connection, job_id: str) -> Job:
    """A job of any type."""
    for kind in KINDS.values():
        request = kind.request("Get", job_id=job_id)
        try:
            return view(kind.name, connection.call(kind.method(connection, "Get"), request))
        except NotFound:
            continue
    raise NotFound(f"there is no job {job_id}", reason="JOB_NOT_FOUND")


def cancel(connection: Connection, job: Job) -> Job:
    """Asks a job to stop."""
    kind = KINDS[job.kind]
    request = kind.request("Cancel", job_id=job.id, request_id=new_request_id())
    return view(job.kind, connection.call(kind.method(connection, "Cancel"), request))


def listing(
    connection: Connection, kind: str | None, state: str | None, limit: int
) -> pd.DataFrame:
    """The newest jobs of one type or of all."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}, found {kind!r}")
    filtered = 0
    if state is not None:
        states = {name.removeprefix("JOB_STATE_").lower(): n for name, n in _states().items()}
        if state not in states:
            raise ValueError(f"state: expected one of {', '.join(states)}, found {state!r}")
        filtered = states[state]
    jobs: list[Job] = []
    for one in KINDS.values() if kind is None else [KINDS[kind]]:
        request = one.request("List", "s", state=filtered)
        method = one.method(connection, "List", "s")
        jobs.extend(
            view(one.name, raw) for raw in connection.pages(method, request, "jobs", limit=limit)
        )
    jobs.sort(key=lambda job: (job.created or pd.Timestamp(0, tz="UTC"), job.id), reverse=True)
    columns = [field.name for field in dataclasses.fields(Job) if field.name != "raw"]
    rows = [[getattr(job, name) for name in columns] for job in jobs[:limit]]
    frame = pd.DataFrame(rows, columns=columns)
    for name in ("created", "started", "ended"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def _states() -> dict[str, int]:
    return {name: n for name, n in common_pb2.JobState.items() if n != 0}


def follow(
    connection: Connection, job: Job, progress: bool | Callable[[Job], object], *, own: bool
) -> Job:
    """Waits for the end of a job.

    Parameters
    ----------
    connection
        Where it runs.
    job
        The job.
    progress
        How to show it.
    own
        Whether an interruption by the keyboard cancels it.

    Raises
    ------
    PatronError
        The job failed or was cancelled; `details["job_id"]` tells which.
    """
    what = f"{job.kind} {job.subject}"
    with JobBar(what, progress) as bar:
        try:
            while not job.done:
                job = _watch(connection, job, bar)
        except KeyboardInterrupt:
            if own:
                cancel(connection, job)
            raise
    if job.state == "succeeded":
        return job
    if job.error is not None:
        raise job.error
    kind = Cancelled if job.state == "cancelled" else PatronError
    raise kind(f"the job was {job.state}", details={"job_id": job.id})


def _watch(connection: Connection, job: Job, bar: JobBar) -> Job:
    """Follows the job until its end; over a new stream where one broke."""
    kind = KINDS[job.kind]
    patience = Patience(connection.retry_for)
    while True:
        # Also where the server is stopping and ends the stream early: the job itself is durable.
        error: PatronError = Unavailable("the server ended the stream before the end of the job")
        call = connection.open_stream(
            kind.method(connection, "Watch"), kind.request("Watch", job_id=job.id)
        )
        try:
            for raw in call:
                patience.renew()
                job = view(job.kind, raw)
                bar.show(job)
        except grpc.RpcError as rpc_error:
            error = from_rpc(rpc_error)
        finally:
            call.cancel()
        if job.done:
            return job
        patience.rest(error)
