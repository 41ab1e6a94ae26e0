from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScoringFormat(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORING_FORMAT_UNSPECIFIED: _ClassVar[ScoringFormat]
    SCORING_FORMAT_PARQUET: _ClassVar[ScoringFormat]
    SCORING_FORMAT_CSV: _ClassVar[ScoringFormat]

class ScoringPopulation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCORING_POPULATION_UNSPECIFIED: _ClassVar[ScoringPopulation]
    SCORING_POPULATION_ALL: _ClassVar[ScoringPopulation]
    SCORING_POPULATION_ACTIVE: _ClassVar[ScoringPopulation]
    SCORING_POPULATION_KNOWN: _ClassVar[ScoringPopulation]
SCORING_FORMAT_UNSPECIFIED: ScoringFormat
SCORING_FORMAT_PARQUET: ScoringFormat
SCORING_FORMAT_CSV: ScoringFormat
SCORING_POPULATION_UNSPECIFIED: ScoringPopulation
SCORING_POPULATION_ALL: ScoringPopulation
SCORING_POPULATION_ACTIVE: ScoringPopulation
SCORING_POPULATION_KNOWN: ScoringPopulation

class ScoringTable(_message.Message):
    __slots__ = ("uri", "key_column")
    URI_FIELD_NUMBER: _ClassVar[int]
    KEY_COLUMN_FIELD_NUMBER: _ClassVar[int]
    uri: str
    key_column: str
    def __init__(self, uri: _Optional[str] = ..., key_column: _Optional[str] = ...) -> None: ...

class ScoringModel(_message.Message):
    __slots__ = ("model", "selector")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class ScoredModel(_message.Message):
    __slots__ = ("model", "version", "model_digest")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    model_digest: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., model_digest: _Optional[str] = ...) -> None: ...

class CreateScoringJobRequest(_message.Message):
    __slots__ = ("models", "output_uri", "format", "as_of", "active_within_days", "request_id", "validate_only", "population", "explain", "table")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_URI_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_WITHIN_DAYS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ScoringModel]
    output_uri: str
    format: ScoringFormat
    as_of: _timestamp_pb2.Timestamp
    active_within_days: int
    request_id: str
    validate_only: bool
    population: ScoringPopulation
    explain: int
    table: ScoringTable
    def __init__(self, models: _Optional[_Iterable[_Union[ScoringModel, _Mapping]]] = ..., output_uri: _Optional[str] = ..., format: _Optional[_Union[ScoringFormat, str]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., active_within_days: _Optional[int] = ..., request_id: _Optional[str] = ..., validate_only: bool = ..., population: _Optional[_Union[ScoringPopulation, str]] = ..., explain: _Optional[int] = ..., table: _Optional[_Union[ScoringTable, _Mapping]] = ...) -> None: ...

class ScoringJob(_message.Message):
    __slots__ = ("job_id", "state", "progress", "create_time", "start_time", "end_time", "attempt", "error", "request_id", "models", "models_used", "output_uri", "format", "as_of", "active_within_days", "rows_written", "output_bytes", "output_digest", "population", "explain", "table")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MODELS_FIELD_NUMBER: _ClassVar[int]
    MODELS_USED_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_URI_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_WITHIN_DAYS_FIELD_NUMBER: _ClassVar[int]
    ROWS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_BYTES_FIELD_NUMBER: _ClassVar[int]
    OUTPUT_DIGEST_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: _common_pb2.JobState
    progress: _common_pb2.JobProgress
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    attempt: int
    error: _status_pb2.Status
    request_id: str
    models: _containers.RepeatedCompositeFieldContainer[ScoringModel]
    models_used: _containers.RepeatedCompositeFieldContainer[ScoredModel]
    output_uri: str
    format: ScoringFormat
    as_of: _timestamp_pb2.Timestamp
    active_within_days: int
    rows_written: int
    output_bytes: int
    output_digest: str
    population: ScoringPopulation
    explain: int
    table: ScoringTable
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., progress: _Optional[_Union[_common_pb2.JobProgress, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., request_id: _Optional[str] = ..., models: _Optional[_Iterable[_Union[ScoringModel, _Mapping]]] = ..., models_used: _Optional[_Iterable[_Union[ScoredModel, _Mapping]]] = ..., output_uri: _Optional[str] = ..., format: _Optional[_Union[ScoringFormat, str]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., active_within_days: _Optional[int] = ..., rows_written: _Optional[int] = ..., output_bytes: _Optional[int] = ..., output_digest: _Optional[str] = ..., population: _Optional[_Union[ScoringPopulation, str]] = ..., explain: _Optional[int] = ..., table: _Optional[_Union[ScoringTable, _Mapping]] = ...) -> None: ...

class GetScoringJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ListScoringJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _common_pb2.JobState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ...) -> None: ...

class ListScoringJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[ScoringJob]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[ScoringJob, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchScoringJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelScoringJobRequest(_message.Message):
    __slots__ = ("job_id", "request_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    request_id: str
    def __init__(self, job_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
