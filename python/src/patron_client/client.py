"""The client: every call of the server, with pandas on both sides."""

from __future__ import annotations

import pathlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, overload

import pandas as pd

from . import (
    _convert,
    _customers,
    _features,
    _forecast,
    _info,
    _ingest,
    _jobs,
    _lines,
    _models,
    _predict,
    _report,
    _scoring,
    _table,
)
from ._connection import Connection, Pem, is_local, new_request_id
from ._proto import model_service_pb2 as model_wire
from ._proto import scoring_service_pb2 as scoring_wire
from ._proto import training_service_pb2 as training_wire
from ._proto import transaction_service_pb2 as transaction_wire
from .errors import InvalidArgument, NotFound, PatronError

Progress = bool | Callable[[_jobs.Job], object]
"""True: a bar; False: nothing; a function: it is called with each state of the job."""


class Client:
    """A connection to a Patron server.

    Safe to use from several threads. Every call that is safe to repeat is made again with growing
    pauses while the server is unavailable; calls that change something carry a request id, so
    repeating them changes nothing twice.

    Parameters
    ----------
    target : str
        ``HOST:PORT``; with ``http://`` or ``https://`` it also says whether to encrypt.
    api_key : str, optional
        Sent with each call as ``authorization: Bearer ...``.
    root_certificates : bytes or path, optional
        PEM of the authorities to trust; by default those of the system.
    client_certificate, client_key : bytes or path, optional
        PEM of the certificate that tells the server who is calling.
    insecure : bool, optional
        True: do not encrypt. By default only a loopback address without certificates is spoken to
        without encryption.
    timeout : float
        Seconds after which a single call fails, all its attempts together. Streams and jobs may
        take as long as they need.
    max_attempts : int
        How often a single call is made at most while the server is unavailable.
    retry_for : float
        Seconds for which `ingest`, a large `predict` and the progress of a job wait for a server
        that went away.

    Examples
    --------
    >>> with Client("127.0.0.1:50051") as patron:
    ...     patron.predict("churn", ["17850", "14911"])  # doctest: +SKIP
    """

    def __init__(
        self,
        target: str = "127.0.0.1:50051",
        *,
        api_key: str | None = None,
        root_certificates: Pem | None = None,
        client_certificate: Pem | None = None,
        client_key: Pem | None = None,
        insecure: bool | None = None,
        timeout: float = 60.0,
        max_attempts: int = 5,
        retry_for: float = 60.0,
    ) -> None:
        self._connection = Connection(
            target,
            api_key=api_key,
            root_certificates=root_certificates,
            client_certificate=client_certificate,
            client_key=client_key,
            insecure=insecure,
            timeout=timeout,
            max_attempts=max_attempts,
            retry_for=retry_for,
        )
        self._kinds: dict[str, int] = {}

    def close(self) -> None:
        """Closes the connection; calls in flight are cancelled."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self._connection.target!r})"

    def info(self) -> _info.ServerInfo:
        """Returns what the server is: version, time zone, currency, limits."""
        return _info.info(self._connection)

    # Transactions

    def ingest(
        self,
        frame: pd.DataFrame,
        columns: Mapping[str, str] | None = None,
        *,
        constants: Mapping[str, Any] | None = None,
        time_zone: str | None = None,
        chunk_size: int = 2_000,
        retry_for: float | None = None,
        progress: bool = True,
    ) -> _ingest.IngestReport:
        """Stores the rows of a frame as transaction lines.

        A row that does not hold is refused by itself and told in the report. Sending a frame again
        is safe: what is stored already counts as duplicate. Where the connection breaks, chunks
        without an acknowledgement are sent again.

        Lines without order and line number are told from equal ones by their count, so put all of
        a receipt into one frame.

        Parameters
        ----------
        frame : pandas.DataFrame
            One row per line of a receipt.
        columns : mapping of field to column, optional
            For example ``{"customer_id": "CustomerID", ...}``. Required are `occurred_at`,
            `product_id`, `quantity` and `unit_price`; there are also `customer_id`, `order_id`,
            `line_number`, `category`, `discount`, `unit_cost`, `currency`, `channel`, `store_id`,
            `promotion_id`, `country` and `cancels_order_id`. Without it the columns that are called
            like a field are taken.

            Money is in units of the currency, `discount` off the whole line, `quantity` in units
            and negative for a return. Decimals are taken exactly, a float as the shortest decimal
            that names it, both rounded half to even to millionths (quantities: thousandths), as
            the server reads files. Missing values count as absent, 17850.0 as the key 17850.
        constants : mapping of field to value, optional
            Fields that are the same on every line.
        time_zone : str, optional
            IANA zone of the clock that `occurred_at` was read from; needed where times carry none.
        chunk_size : int
            Lines per message, 1 to 10,000.
        retry_for : float, optional
            Seconds without any acknowledgement after which an unavailable server is given up; by
            default the client's.
        progress : bool
            Whether to show a bar.

        Returns
        -------
        IngestReport
            Counts, and a frame of the refused rows.

        Raises
        ------
        PatronError
            The server is gone for good; ``error.details["report"]`` tells what was stored.
        ValueError
            A column is missing, or times without zone came without `time_zone`.
        """
        if not 1 <= chunk_size <= 10_000:
            raise ValueError(f"chunk_size: expected 1 to 10,000, found {chunk_size}")
        lines = _lines.table(frame, columns, constants=constants, time_zone=time_zone)
        return _ingest.Ingest(
            self._connection,
            lines,
            frame.index,
            chunk_size=chunk_size,
            retry_for=self._connection.retry_for if retry_for is None else retry_for,
            progress=progress,
        ).run()

    def import_file(
        self,
        path: str | pathlib.Path,
        mapping: _customers.Mapped,
        *,
        max_refused_percent: float | None = None,
        request_id: str | None = None,
        progress: Progress = True,
    ) -> _customers.ImportReport:
        """Imports a CSV or Parquet file that the server can read.

        The file is imported whole or not at all. Interrupting by the keyboard cancels the job.

        Parameters
        ----------
        path : str or path
            The file; a path is taken from this process's directory, a ``file://`` address as it
            is. The server reads it, so it has to be on the server's machine.
        mapping : str, path or mapping
            Which column is which field: a TOML file, its text, or nested dictionaries.
        max_refused_percent : float, optional
            Share of rows that may be refused, 0 to 100.
        request_id : str, optional
            Makes the call safe to repeat from another process.
        progress : bool or function
            A bar, nothing, or a function that is called with each state of the job.
        """
        request = transaction_wire.ImportTransactionsRequest(
            source_uri=_scoring.server_path(path),
            mapping_toml=_customers.mapping_toml(mapping),
            max_refused_percent=max_refused_percent,
            request_id=request_id or new_request_id(),
        )
        raw = self._connection.call(self._connection.transactions.ImportTransactions, request)
        job = _jobs.view("import", raw)
        try:
            job = _jobs.follow(self._connection, job, progress, own=True)
        except PatronError as error:
            job = self.job(job.id) if "job_id" in error.details else job
            if job.done and job.raw.HasField("report"):
                error.details["report"] = _customers.import_report(job.id, job.raw.report)
            raise
        return _customers.import_report(job.id, job.raw.report)

    def customer(self, customer_id: Any) -> _customers.Customer:
        """Returns what is stored of a customer, with all lines.

        Raises
        ------
        NotFound
            No line of this customer is stored.
        """
        return _customers.customer(self._connection, customer_id)

    def erase_customer(
        self, customer_id: Any, *, request_id: str | None = None
    ) -> _customers.Erased:
        """Removes every line of a customer for good. One without lines is no error."""
        request = transaction_wire.EraseCustomerRequest(
            customer_id=_convert.text(customer_id), request_id=request_id or new_request_id()
        )
        erased = self._connection.call(self._connection.transactions.EraseCustomer, request)
        return _customers.Erased(erased.lines_erased, _convert.present(erased, "erase_time"))

    # Jobs

    @overload
    def train(
        self,
        model: str,
        *,
        as_of: _convert.Time | None = ...,
        update: bool = ...,
        recipe: str | pathlib.Path | None = ...,
        table: str | pathlib.Path | None = ...,
        label: str | None = ...,
        event: str | None = ...,
        id: str | None = ...,
        time: str | None = ...,
        horizon_days: int | None = ...,
        exclude: Sequence[str] | None = ...,
        types: Mapping[str, str] | None = ...,
        kind: str | None = ...,
        algorithm: str | None = ...,
        seed: int | None = ...,
        request_id: str | None = ...,
        progress: Progress = ...,
        wait: Literal[True] = ...,
    ) -> _models.Trained: ...

    @overload
    def train(
        self,
        model: str,
        *,
        as_of: _convert.Time | None = ...,
        update: bool = ...,
        recipe: str | pathlib.Path | None = ...,
        table: str | pathlib.Path | None = ...,
        label: str | None = ...,
        event: str | None = ...,
        id: str | None = ...,
        time: str | None = ...,
        horizon_days: int | None = ...,
        exclude: Sequence[str] | None = ...,
        types: Mapping[str, str] | None = ...,
        kind: str | None = ...,
        algorithm: str | None = ...,
        seed: int | None = ...,
        request_id: str | None = ...,
        progress: Progress = ...,
        wait: Literal[False],
    ) -> _jobs.Job: ...

    def train(
        self,
        model: str,
        *,
        as_of: _convert.Time | None = None,
        update: bool = False,
        recipe: str | pathlib.Path | None = None,
        table: str | pathlib.Path | None = None,
        label: str | None = None,
        event: str | None = None,
        id: str | None = None,
        time: str | None = None,
        horizon_days: int | None = None,
        exclude: Sequence[str] | None = None,
        types: Mapping[str, str] | None = None,
        kind: str | None = None,
        algorithm: str | None = None,
        seed: int | None = None,
        request_id: str | None = None,
        progress: Progress = True,
        wait: bool = True,
    ) -> _models.Trained | _jobs.Job:
        """Trains, evaluates and registers a version; promotes it where it passes the gate.

        Interrupting by the keyboard cancels the job on the server.

        Parameters
        ----------
        model : str
            Name of the model.
        as_of : str or datetime, optional
            Only lines before this time are used; UTC where it names no zone. By default the end of
            the last complete day in the data.
        update : bool
            Forecasts: the champion takes in the periods that closed since it was made, without a
            new fit, and becomes a new version. Its recipe and its seed stay.
        recipe : str or path, optional
            A recipe for this job alone: its TOML as str, or a file as path.
        table : str or path, optional
            Instead of a recipe: a CSV or Parquet file with one row per case, which the server can
            read. Churn and propensity. The columns that `label`, `id`, `time` and `exclude` do not
            name are what the model learns from.
        label : str, optional
            Column of the outcome; required with `table`.
        event : str, optional
            The text of the label that is the event; by default yes, true or 1.
        id : str, optional
            Column of the case's key: no feature, and rows of one key stay together.
        time : str, optional
            Column of the time at which a row was known. The version is then judged on the latest
            rows, otherwise by cross-validation.
        horizon_days : int, optional
            Days from `time` until the outcome is known.
        exclude : sequence of str, optional
            Columns that are no features.
        types : mapping of column to type, optional
            ``numeric``, ``boolean`` or ``categorical``, instead of what the values suggest.
        kind : {"churn", "propensity"}, optional
            What the model of a table is; by default churn.
        algorithm : str, optional
            Who learns from the table; by default the kind's.
        seed : int, optional
            Seed of all random choices; by default the recipe's.
        request_id : str, optional
            Makes the call safe to repeat from another process.
        progress : bool or function
            A bar, nothing, or a function that is called with each state of the job.
        wait : bool
            False: return the job at once, for `wait`.

        Returns
        -------
        Trained or Job
            The version with its metrics and the verdict of the gate.

        Raises
        ------
        FailedPrecondition
            Too little data (``NOT_ENOUGH_DATA``).
        InvalidArgument
            The recipe does not hold.
        """
        of_table: dict[str, Any] = {
            "label": label,
            "event": event,
            "id": id,
            "time": time,
            "horizon_days": horizon_days,
            "exclude": exclude,
            "types": types,
            "kind": kind,
            "algorithm": algorithm,
        }
        toml = recipe.read_text("utf-8") if isinstance(recipe, pathlib.Path) else recipe
        if toml is not None and "=" not in toml and toml.strip().endswith(".toml"):
            raise ValueError(f"recipe: expected TOML; for a file give pathlib.Path({toml!r})")
        if table is not None:
            if recipe is not None:
                raise ValueError("give recipe or table, not both")
            toml = _table.recipe(table, **of_table)
        elif any(value is not None for value in of_table.values()):
            stray = next(name for name, value in of_table.items() if value is not None)
            raise ValueError(f"{stray}: is for a table; in a recipe it is a line of its own")
        request = training_wire.CreateTrainingJobRequest(
            model=model,
            as_of=_convert.timestamp(as_of),
            recipe_toml=toml,
            seed=seed,
            request_id=request_id or new_request_id(),
            update=update,
        )
        raw = self._connection.call(self._connection.training.CreateTrainingJob, request)
        job = _jobs.view("training", raw)
        if not wait:
            return job
        job = _jobs.follow(self._connection, job, progress, own=True)
        return _trained(job)

    def jobs(
        self, kind: str | None = None, *, state: str | None = None, limit: int = 100
    ) -> pd.DataFrame:
        """Lists jobs, the newest first.

        Parameters
        ----------
        kind : {"import", "training", "scoring"}, optional
            Only jobs of this type.
        state : {"queued", "running", "succeeded", "failed", "cancelled"}, optional
            Only jobs in this state.
        limit : int
            At most so many.

        Returns
        -------
        pandas.DataFrame
            `id`, `kind`, `state`, `origin` (`call` or `schedule`), `subject`, `stage`, `fraction`
            (0 to 1), `message`, `created`, `started`, `ended` (UTC), `attempt`, `error`.
        """
        return _jobs.listing(self._connection, kind, state, limit)

    def job(self, job_id: str) -> _jobs.Job:
        """Returns a job of any type as it stands."""
        return _jobs.find(self._connection, job_id)

    def wait(self, job: str | _jobs.Job, *, progress: Progress = True) -> _jobs.Job:
        """Waits for the end of a job that somebody started; interrupting leaves it running.

        Raises
        ------
        PatronError
            The job failed or was cancelled.
        """
        found = self.job(job) if isinstance(job, str) else job
        return _jobs.follow(self._connection, found, progress, own=False)

    def cancel(self, job: str | _jobs.Job) -> _jobs.Job:
        """Asks a job to stop and returns it; one that has ended stays as it is."""
        found = self.job(job) if isinstance(job, str) else job
        return _jobs.cancel(self._connection, found)

    # Models

    def models(self) -> pd.DataFrame:
        """Lists models: `kind`, `champion`, `latest_version`, `versions`, `aliases`; by name."""
        return _models.models_frame(self._connection)

    def recipe(self, model: str) -> str:
        """Returns the recipe of a model, in TOML."""
        return str(self._model(model).recipe_toml)

    def versions(self, model: str) -> pd.DataFrame:
        """Lists the versions of a model, the newest first.

        Returns
        -------
        pandas.DataFrame
            Algorithm, aliases, whether and why promoted, times in UTC, one column per metric on the
            last closed window, and lineage; by `version`.
        """
        return _models.versions_frame(self._connection, model)

    def evaluation(self, model: str, version: _models.Version | None = None) -> _models.Evaluation:
        """Returns how good a version is: reliability, gains, importances, intervals and more.

        Parameters
        ----------
        model : str
            Name of the model.
        version : int or str, optional
            A number or an alias; by default the champion.
        """
        return _models.Evaluation(_models.get_version(self._connection, model, version))

    def compare(
        self, model: str, versions: Sequence[_models.Version] | None = None
    ) -> pd.DataFrame:
        """Puts the metrics of versions side by side.

        Warns where the versions were judged on different dates: then the figures are of different
        customers.

        Parameters
        ----------
        model : str
            Name of the model.
        versions : sequence of int or str, optional
            Numbers or aliases; by default all.

        Returns
        -------
        pandas.DataFrame
            By `metric`: `better` (higher or lower), a column per version, and `best`, the version
            with the best figure. ``attrs["judged_on"]`` has the date of each.
        """
        return _models.compare(self._connection, model, versions)

    def promote(
        self,
        model: str,
        version: int,
        *,
        alias: str = "champion",
        force: bool = False,
        etag: str = "",
    ) -> _models.Alias:
        """Points an alias to a version, at once for all calls that begin later.

        Parameters
        ----------
        model : str
            Name of the model.
        version : int
            The version's number.
        alias : str
            `champion` answers by default; another name is created where it is missing.
        force : bool
            Also a version that did not pass its gate; the server's audit says so.
        etag : str
            The alias moves only if it still has this etag.

        Raises
        ------
        FailedPrecondition
            The version did not pass its gate (``GATE_NOT_PASSED``).
        """
        request = model_wire.SetModelAliasRequest(
            model=model,
            alias=alias,
            version=version,
            etag=etag,
            force=force,
            request_id=new_request_id(),
        )
        return _models.alias_of(
            self._connection.call(self._connection.registry.SetModelAlias, request)
        )

    def rollback(self, model: str, *, alias: str = "champion") -> _models.Alias:
        """Points an alias back to the version that it pointed to before.

        Raises
        ------
        NotFound
            The model has no such alias.
        ValueError
            The alias never pointed to another version.
        Aborted
            Somebody else moved the alias meanwhile.
        """
        found = [one for one in self._model(model).aliases if one.alias == alias]
        if not found:
            raise NotFound(f"model {model} has no alias {alias}", reason="ALIAS_NOT_FOUND")
        current = _models.alias_of(found[0])
        if current.previous_version is None:
            raise ValueError(f"{model}@{alias} points to its first version, {current.version}")
        return self.promote(model, current.previous_version, alias=alias, etag=current.etag)

    def delete_version(self, model: str, version: int) -> None:
        """Removes a version that no alias points to.

        Raises
        ------
        FailedPrecondition
            An alias points to it (``VERSION_IN_USE``).
        """
        request = model_wire.DeleteModelVersionRequest(
            model=model, version=version, request_id=new_request_id()
        )
        self._connection.call(self._connection.registry.DeleteModelVersion, request)

    def delete_alias(self, model: str, alias: str) -> None:
        """Removes an alias; its version stays."""
        request = model_wire.DeleteModelAliasRequest(
            model=model, alias=alias, request_id=new_request_id()
        )
        self._connection.call(self._connection.registry.DeleteModelAlias, request)

    def drift(
        self,
        model: str,
        version: _models.Version | None = None,
        *,
        as_of: _convert.Time | None = None,
        timeout: float | None = None,
    ) -> pd.DataFrame:
        """Compares the customers of a date with those that a version was judged on.

        Parameters
        ----------
        model : str
            Name of the model.
        version : int or str, optional
            A number or an alias; by default the champion.
        as_of : str or datetime, optional
            By default the end of the last complete day in the data.
        timeout : float, optional
            Seconds; the server reads all histories.

        Returns
        -------
        pandas.DataFrame
            `psi` (population stability index), `noise` (what it stays below without drift),
            `verdict` (stable, moderate, major), shares of missing values; by `feature`, `score`
            first. ``attrs`` has the dates, the rows and, under ``closed_window``, how the answers
            of the last date with known outcomes came true.
        """
        request = model_wire.GetModelDriftRequest(
            model=model, selector=_models.selector(version), as_of=_convert.timestamp(as_of)
        )
        raw = self._connection.call(
            self._connection.registry.GetModelDrift, request, timeout=timeout
        )
        return _models.drift_frame(raw)

    def report(
        self,
        model: str,
        version: _models.Version | None = None,
        path: str | pathlib.Path | None = None,
        *,
        drift: bool = False,
        timeout: float | None = None,
    ) -> _report.Report:
        """Returns a version as one HTML page for people, which a notebook shows.

        Parameters
        ----------
        model : str
            Name of the model.
        version : int or str, optional
            A number or an alias; by default the champion.
        path : str or path, optional
            Also write the page to this file, over what is there.
        drift : bool
            Also compare the customers of today, which reads all histories.
        timeout : float, optional
            Seconds, for `drift` on many customers.
        """
        page = _report.report(self._connection, model, version, drift, timeout)
        if path is not None:
            page.save(path)
        return page

    # Answers

    def predict(
        self,
        model: str,
        ids: _predict.Ids | None = None,
        *,
        frame: pd.DataFrame | None = None,
        table: pd.DataFrame | None = None,
        histories: _predict.Histories | None = None,
        columns: Mapping[str, str] | None = None,
        time_zone: str | None = None,
        as_of: _convert.Time | None = None,
        version: _models.Version | None = None,
        explain: int = 0,
        threshold: float | None = None,
        all_distances: bool = False,
        chunk_rows: int | None = None,
        progress: bool = False,
    ) -> pd.DataFrame:
        """Asks a model of segments, rfm, churn or propensity about customers.

        Give one of `ids`, `frame`, `table` and `histories`. Many rows go over a stream; all of them
        are answered by the same version and as of the same date.

        Parameters
        ----------
        model : str
            Name of the model.
        ids : sequence of keys, optional
            Customers by their keys; a Series keeps its index.
        frame : pandas.DataFrame, optional
            Raw features: every feature of the model as a column, what `features` returns for
            example. Other columns are ignored.
        table : pandas.DataFrame, optional
            Churn and propensity, for models that take columns of the caller: every such column,
            with its own type (numbers, flags, texts), missing values as pandas has them. Other
            columns are ignored.
        histories : pandas.DataFrame or mapping, optional
            What-if histories: lines with a column `customer_id`, or a frame of lines per key,
            which may be empty. Nothing is stored.
        columns, time_zone : optional
            How to read the lines of `histories`, as in `ingest`.
        as_of : str or datetime, optional
            Only lines before this time are seen; by default the server's present.
        version : int or str, optional
            A number or an alias; by default the champion.
        explain : int
            How many of the weightiest reasons to tell per row.
        threshold : float, optional
            Churn and propensity: probability from which on `label` is true; by default 0.5.
        all_distances : bool
            Segments: also a column ``distance_NAME`` per segment.
        chunk_rows : int, optional
            Rows per message; by default what fits.
        progress : bool
            Whether to show a bar.

        Returns
        -------
        pandas.DataFrame
            A row per row asked about, in that order. Churn and propensity: `probability`
            (0 to 1), `percentile` (0 to 100), `label`, `interval_lower`, `interval_upper`.
            Segments: `segment`, `name`, `distance` (standard deviations), `confidence` (0 to 1).
            Rfm: `recency`, `frequency`, `monetary`, `cell`, `name`. All: `source`, what the answer
            rests on (``history``, ``prior`` for a customer nobody knows, ``features``,
            ``what_if``, ``refused``), `last_line_time`, `feature_age_days` at `as_of`, `reasons`
            (see `reasons_frame`), `error` of a refused row, `model`, `version`, `as_of`.
            ``attrs["served_by"]`` tells event, horizon, population, calibration error and digests.

        Raises
        ------
        NotFound
            No such model or version.
        FailedPrecondition
            The model has no champion yet, or features are of another schema.
        InvalidArgument
            Features that are missing or not finite; ``error.violations`` names them.
        """
        given = [one for one in (ids, frame, table, histories) if one is not None]
        if len(given) != 1:
            raise ValueError(f"give one of ids, frame, table and histories, not {len(given)}")
        kind = self._kind(model)
        method = _predict.METHODS.get(kind)
        if method is None:
            raise ValueError(f"{model} is a model of kind {_models.kind_name(kind)}; see forecast")
        rows: _predict.Rows
        if ids is not None:
            rows = _predict.IdRows(ids)
        elif frame is not None:
            names = self.feature_definitions(model, version).index.tolist()
            rows = _predict.FeatureRows(frame, names)
        elif table is not None:
            if not method.takes_tables:
                raise ValueError(f"a model of kind {_models.kind_name(kind)} takes no table")
            rows = _table.TableRows(table, self._input_columns(model, version))
        else:
            assert histories is not None
            rows = _predict.HistoryRows(histories, columns, time_zone)
        _convert.count("explain", explain)
        settings = {"explain": explain, "threshold": threshold, "all_distances": all_distances}
        extra = {name: value for name, value in settings.items() if value}
        if threshold is not None:
            extra["threshold"] = threshold
        unfit = sorted(set(extra) - set(method.settings))
        if unfit:
            raise ValueError(f"a model of kind {_models.kind_name(kind)} has no {', '.join(unfit)}")
        if "include_catalogue" in method.settings:
            extra["include_catalogue"] = True
        question = _predict.Question(
            model=model,
            selector=_models.selector(version),
            as_of=_convert.timestamp(as_of),
            extra=extra,
        )
        return _predict.ask(
            self._connection, method, question, rows, chunk_rows=chunk_rows, progress=progress
        )

    def assign_segments(
        self, ids: _predict.Ids | None = None, *, model: str = "segments", **options: Any
    ) -> pd.DataFrame:
        """Assigns customers to segments; `predict` with the model ``segments``."""
        return self.predict(model, ids, **options)

    def rfm(
        self, ids: _predict.Ids | None = None, *, model: str = "rfm", **options: Any
    ) -> pd.DataFrame:
        """Scores customers by recency, frequency and money; `predict` with the model ``rfm``."""
        return self.predict(model, ids, **options)

    def features(
        self,
        ids: _predict.Ids,
        *,
        as_of: _convert.Time | None = None,
        model: str = "",
        version: _models.Version | None = None,
    ) -> pd.DataFrame:
        """Computes the features of customers from their stored lines, as a prediction would.

        Parameters
        ----------
        ids : sequence of keys
            The customers.
        as_of : str or datetime, optional
            Only lines that occurred and were recorded before this time are seen; UTC where it
            names no zone. By default the server's present.
        model : str, optional
            The model whose schema is used; by default one fitted to the stored lines.
        version : int or str, optional
            Which version of the model.

        Returns
        -------
        pandas.DataFrame
            A row per key, in that order, with `customer_id` as index: the features (float32, units
            as `feature_definitions` tells), `status` (``found``, ``no_history``, ``refused``),
            `last_line_time` (UTC) and `error`. ``attrs`` has `as_of`, `schema_digest` and the names
            of the `features`. It can be given to `predict` as `frame`.
        """
        return _features.features(self._connection, ids, as_of, model, _models.selector(version))

    def feature_definitions(
        self, model: str = "", version: _models.Version | None = None
    ) -> pd.DataFrame:
        """Lists the features: `unit`, `window`, `meaning`, `no_history_value`; by name."""
        return _features.definitions(self._connection, model, _models.selector(version))

    def forecast(
        self,
        series: _forecast.Series | Sequence[_forecast.Series] | None = None,
        *,
        horizon: int | None = None,
        levels: float | Sequence[float] | None = None,
        sums: _forecast.Sums | None = None,
        components: bool = False,
        model: str = "forecast",
        version: _models.Version | None = None,
        time_zone: str | None = None,
        on_error: Literal["raise", "skip"] = "raise",
        plan: pd.DataFrame | None = None,
        effects: bool = False,
    ) -> pd.DataFrame:
        """Forecasts the coming periods of series.

        Parameters
        ----------
        series : str, tuple or sequence of them, optional
            ``"total"``, ``"country=France"`` or ``("country", "France")``; by default all that the
            model has.
        horizon : int, optional
            Periods; by default, and at most, the model's.
        levels : float or sequence of float, optional
            Coverages of the intervals, as 0.8 or 80; by default 0.8 and 0.95.
        sums : mapping of name to series, or sequence of sequences of series, optional
            Sums that are wanted beside the series, each with intervals of its own. Without names
            they are called ``"country=France + country=Germany"``.
        components : bool
            Also the parts that `mean` consists of: columns `level`, `trend`, `seasonal`,
            `regressors` and `adjustment` (so that series and total agree); missing for sums and
            for versions from before there were parts.
        model : str
            Name of the model.
        version : int or str, optional
            A number or an alias; by default the champion.
        time_zone : str, optional
            IANA zone of the shop's clock: `ds` is then its wall clock. By default `ds` is in UTC,
            where a shop's day seldom begins at midnight.
        on_error : {"raise", "skip"}
            What to do about a series that the model does not have. Skipped ones are in
            ``attrs["errors"]``.
        plan : pandas.DataFrame, optional
            What is planned: `unique_id`, `ds` (a day of the period on the shop's calendar) and a
            column per regressor of the recipe, such as `promotion` and `price`. Missing values plan
            nothing: no promotion, the last usual price.
        effects : bool
            Whether ``attrs["effects"]`` shall have a dict per series and regressor, as rows of a
            DataFrame: what it changed in percent and in units, with intervals of 95 %, or why the
            series cannot tell.

        Returns
        -------
        pandas.DataFrame
            `unique_id`, `ds`, `mean`, `lo-80`, `hi-80`, `lo-95`, `hi-95`; series after series,
            then the sums. ``attrs`` has the `measure`, its `currency`, the `frequency`, under
            `series` method and backtest of each, and `served_by`.
        """
        return _forecast.forecast(
            self._connection,
            model,
            _models.selector(version),
            series,
            sums,
            horizon=horizon,
            levels=levels,
            components=components,
            time_zone=time_zone,
            on_error=on_error,
            plan=plan,
            effects=effects,
        )

    @overload
    def score(
        self,
        models: _scoring.Models,
        *,
        output: str | pathlib.Path | None = ...,
        format: Literal["parquet", "csv"] | None = ...,
        as_of: _convert.Time | None = ...,
        active_within_days: int | None = ...,
        population: Literal["all", "active", "known"] | None = ...,
        explain: int = ...,
        table: str | pathlib.Path | None = ...,
        key: str | None = ...,
        read: Literal[True] = ...,
        request_id: str | None = ...,
        progress: Progress = ...,
    ) -> pd.DataFrame: ...

    @overload
    def score(
        self,
        models: _scoring.Models,
        *,
        output: str | pathlib.Path | None = ...,
        format: Literal["parquet", "csv"] | None = ...,
        as_of: _convert.Time | None = ...,
        active_within_days: int | None = ...,
        population: Literal["all", "active", "known"] | None = ...,
        explain: int = ...,
        table: str | pathlib.Path | None = ...,
        key: str | None = ...,
        read: Literal[False],
        request_id: str | None = ...,
        progress: Progress = ...,
    ) -> _jobs.Job: ...

    def score(
        self,
        models: _scoring.Models,
        *,
        output: str | pathlib.Path | None = None,
        format: Literal["parquet", "csv"] | None = None,
        as_of: _convert.Time | None = None,
        active_within_days: int | None = None,
        population: Literal["all", "active", "known"] | None = None,
        explain: int = 0,
        table: str | pathlib.Path | None = None,
        key: str | None = None,
        read: bool = True,
        request_id: str | None = None,
        progress: Progress = True,
    ) -> pd.DataFrame | _jobs.Job:
        """Predicts for all customers as a job of the server, which writes a file.

        Several models are answered in one pass over the histories. Interrupting by the keyboard
        cancels the job.

        Parameters
        ----------
        models : str or sequence
            One or several models of any kind but forecast: ``"churn"``, ``"churn@challenger"``,
            ``"churn/3"`` or ``("churn", 3)``.
        output : str or path, optional
            The file to write, as the server sees it; it must not exist. By default a temporary
            file that is removed again, which needs a server on this machine.
        format : {"parquet", "csv"}, optional
            Format of the file; by default CSV where `output` ends in ``.csv``, otherwise Parquet.
        as_of : str or datetime, optional
            Only lines before this time are seen; by default the server's present.
        active_within_days : int, optional
            Only customers with a purchase in so many days before `as_of`.
        population : {"all", "active", "known"}, optional
            Who is scored: who bought before `as_of` (the default), who bought within the widest
            window of the models' populations, or everybody with a line, a return for instance.
        explain : int
            How many of the weightiest reasons to write per customer and model, at most 20, as
            ``churn_reason_1``, ``churn_reason_1_value``, ``churn_reason_1_contribution`` and so on.
        table : str or path, optional
            Score the rows of this CSV or Parquet file, which the server can read, instead of
            customers; for models that were trained on a table.
        key : str, optional
            Column of `table` that tells which row it is; comes first in the file.
        read : bool
            False: do not read the file but return the job.
        request_id : str, optional
            Makes the call safe to repeat from another process.
        progress : bool or function
            A bar, nothing, or a function that is called with each state of the job.

        Returns
        -------
        pandas.DataFrame or Job
            The file as a frame, with the versions, the date and the digest in ``attrs``.
        """
        if output is None and not (read and is_local(self._connection.target)):
            raise ValueError("output: name the file to write, as the server sees it")
        whom, rows = _scoring.population(population), _scoring.table(table, key)
        folder = None
        if output is None:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="patron-score-"))
            output = folder / f"scores.{format or 'parquet'}"
        try:
            request = scoring_wire.CreateScoringJobRequest(
                models=_scoring.models(models),
                output_uri=_scoring.server_path(output),
                format=_scoring.file_format(format, output),
                as_of=_convert.timestamp(as_of),
                active_within_days=_convert.count("active_within_days", active_within_days),
                request_id=request_id or new_request_id(),
                population=whom,
                explain=_convert.count("explain", explain),
                table=rows,
            )
            raw = self._connection.call(self._connection.scoring.CreateScoringJob, request)
            job = _jobs.view("scoring", raw)
            job = _jobs.follow(self._connection, job, progress, own=True)
            return _scoring.read(job) if read else job
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)

    def _model(self, model: str) -> Any:
        request = model_wire.GetModelRequest(model=model)
        return self._connection.call(self._connection.registry.GetModel, request)

    def _input_columns(self, model: str, version: _models.Version | None) -> list[str]:
        """The columns that a row of a table has to bring."""
        found = _models.get_version(self._connection, model, version)
        own = [column.name for column in found.input_columns]
        if not own:
            raise ValueError(
                f"{model}/{found.version} takes no columns of the caller; "
                "give ids, frame or histories"
            )
        try:
            derived = self.feature_definitions(model, int(found.version)).index.tolist()
        except InvalidArgument as error:
            if error.reason != "WRONG_MODEL_KIND":
                raise
            derived = []  # it was trained on a table alone
        return [*derived, *own]

    def _kind(self, model: str) -> int:
        kind = self._kinds.get(model)
        if kind is None:
            kind = self._kinds[model] = int(self._model(model).kind)
        return kind


def _trained(job: _jobs.Job) -> _models.Trained:
    result = job.raw.result
    return _models.Trained(
        model=job.raw.model,
        version=result.version,
        promoted=result.promoted,
        reason=result.promotion_reason,
        metrics=_models.metrics_frame(result.metrics),
        job_id=job.id,
    )
