from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScheduledTask(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEDULED_TASK_UNSPECIFIED: _ClassVar[ScheduledTask]
    SCHEDULED_TASK_RETRAIN: _ClassVar[ScheduledTask]
    SCHEDULED_TASK_DRIFT: _ClassVar[ScheduledTask]
    SCHEDULED_TASK_SCORE: _ClassVar[ScheduledTask]

class ModelVersionState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_VERSION_STATE_UNSPECIFIED: _ClassVar[ModelVersionState]
    MODEL_VERSION_STATE_LOADING: _ClassVar[ModelVersionState]
    MODEL_VERSION_STATE_READY: _ClassVar[ModelVersionState]
    MODEL_VERSION_STATE_FAILED: _ClassVar[ModelVersionState]

class DriftVerdict(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DRIFT_VERDICT_UNSPECIFIED: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_STABLE: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_MODERATE: _ClassVar[DriftVerdict]
    DRIFT_VERDICT_MAJOR: _ClassVar[DriftVerdict]
SCHEDULED_TASK_UNSPECIFIED: ScheduledTask
SCHEDULED_TASK_RETRAIN: ScheduledTask
SCHEDULED_TASK_DRIFT: ScheduledTask
SCHEDULED_TASK_SCORE: ScheduledTask
MODEL_VERSION_STATE_UNSPECIFIED: ModelVersionState
MODEL_VERSION_STATE_LOADING: ModelVersionState
MODEL_VERSION_STATE_READY: ModelVersionState
MODEL_VERSION_STATE_FAILED: ModelVersionState
DRIFT_VERDICT_UNSPECIFIED: DriftVerdict
DRIFT_VERDICT_STABLE: DriftVerdict
DRIFT_VERDICT_MODERATE: DriftVerdict
DRIFT_VERDICT_MAJOR: DriftVerdict

class Model(_message.Message):
    __slots__ = ("name", "kind", "aliases", "latest_version", "version_count", "recipe_toml", "schedules")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_FIELD_NUMBER: _ClassVar[int]
    VERSION_COUNT_FIELD_NUMBER: _ClassVar[int]
    RECIPE_TOML_FIELD_NUMBER: _ClassVar[int]
    SCHEDULES_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: _common_pb2.ModelKind
    aliases: _containers.RepeatedCompositeFieldContainer[ModelAlias]
    latest_version: int
    version_count: int
    recipe_toml: str
    schedules: _containers.RepeatedCompositeFieldContainer[ModelSchedule]
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[_common_pb2.ModelKind, str]] = ..., aliases: _Optional[_Iterable[_Union[ModelAlias, _Mapping]]] = ..., latest_version: _Optional[int] = ..., version_count: _Optional[int] = ..., recipe_toml: _Optional[str] = ..., schedules: _Optional[_Iterable[_Union[ModelSchedule, _Mapping]]] = ...) -> None: ...

class ModelSchedule(_message.Message):
    __slots__ = ("task", "cron", "time_zone", "next_time", "last_time", "last_job_id", "last_job_state", "problem")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CRON_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    NEXT_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_JOB_STATE_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    task: ScheduledTask
    cron: str
    time_zone: str
    next_time: _timestamp_pb2.Timestamp
    last_time: _timestamp_pb2.Timestamp
    last_job_id: str
    last_job_state: _common_pb2.JobState
    problem: str
    def __init__(self, task: _Optional[_Union[ScheduledTask, str]] = ..., cron: _Optional[str] = ..., time_zone: _Optional[str] = ..., next_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_job_id: _Optional[str] = ..., last_job_state: _Optional[_Union[_common_pb2.JobState, str]] = ..., problem: _Optional[str] = ...) -> None: ...

class ModelAlias(_message.Message):
    __slots__ = ("model", "alias", "version", "previous_version", "update_time", "etag")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_VERSION_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    model: str
    alias: str
    version: int
    previous_version: int
    update_time: _timestamp_pb2.Timestamp
    etag: str
    def __init__(self, model: _Optional[str] = ..., alias: _Optional[str] = ..., version: _Optional[int] = ..., previous_version: _Optional[int] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ...) -> None: ...

class ModelVersion(_message.Message):
    __slots__ = ("model", "version", "kind", "algorithm", "state", "state_reason", "aliases", "create_time", "trained_as_of", "model_digest", "model_bytes", "schema_digest", "data_digest", "seed", "code_version", "training_job_id", "event", "horizon_days", "population", "promoted", "promotion_reason", "metrics", "manifest_json", "evaluation_json", "input_columns", "gate_passed", "holdout_time", "updated_from")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ALGORITHM_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    TRAINED_AS_OF_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_BYTES_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DATA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CODE_VERSION_FIELD_NUMBER: _ClassVar[int]
    TRAINING_JOB_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    HORIZON_DAYS_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    PROMOTED_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_REASON_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_JSON_FIELD_NUMBER: _ClassVar[int]
    EVALUATION_JSON_FIELD_NUMBER: _ClassVar[int]
    INPUT_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    GATE_PASSED_FIELD_NUMBER: _ClassVar[int]
    HOLDOUT_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATED_FROM_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    kind: _common_pb2.ModelKind
    algorithm: str
    state: ModelVersionState
    state_reason: str
    aliases: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    trained_as_of: _timestamp_pb2.Timestamp
    model_digest: str
    model_bytes: int
    schema_digest: str
    data_digest: str
    seed: int
    code_version: str
    training_job_id: str
    event: str
    horizon_days: int
    population: str
    promoted: bool
    promotion_reason: str
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.EvaluationMetric]
    manifest_json: str
    evaluation_json: str
    input_columns: _containers.RepeatedCompositeFieldContainer[_common_pb2.InputColumn]
    gate_passed: bool
    holdout_time: _timestamp_pb2.Timestamp
    updated_from: int
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., kind: _Optional[_Union[_common_pb2.ModelKind, str]] = ..., algorithm: _Optional[str] = ..., state: _Optional[_Union[ModelVersionState, str]] = ..., state_reason: _Optional[str] = ..., aliases: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., trained_as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., model_digest: _Optional[str] = ..., model_bytes: _Optional[int] = ..., schema_digest: _Optional[str] = ..., data_digest: _Optional[str] = ..., seed: _Optional[int] = ..., code_version: _Optional[str] = ..., training_job_id: _Optional[str] = ..., event: _Optional[str] = ..., horizon_days: _Optional[int] = ..., population: _Optional[str] = ..., promoted: bool = ..., promotion_reason: _Optional[str] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.EvaluationMetric, _Mapping]]] = ..., manifest_json: _Optional[str] = ..., evaluation_json: _Optional[str] = ..., input_columns: _Optional[_Iterable[_Union[_common_pb2.InputColumn, _Mapping]]] = ..., gate_passed: bool = ..., holdout_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., updated_from: _Optional[int] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "kind")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    kind: _common_pb2.ModelKind
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., kind: _Optional[_Union[_common_pb2.ModelKind, str]] = ...) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models", "next_page_token")
    MODELS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    next_page_token: str
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: str
    def __init__(self, model: _Optional[str] = ...) -> None: ...

class ListModelVersionsRequest(_message.Message):
    __slots__ = ("model", "page_size", "page_token")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    model: str
    page_size: int
    page_token: str
    def __init__(self, model: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListModelVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ModelVersion]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[ModelVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetModelVersionRequest(_message.Message):
    __slots__ = ("model", "selector")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class GetModelVersionReportRequest(_message.Message):
    __slots__ = ("model", "selector", "include_drift")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_DRIFT_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    include_drift: bool
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., include_drift: bool = ...) -> None: ...

class ModelVersionReport(_message.Message):
    __slots__ = ("model", "version", "html")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    HTML_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    html: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., html: _Optional[str] = ...) -> None: ...

class SetModelAliasRequest(_message.Message):
    __slots__ = ("model", "alias", "version", "etag", "request_id", "force")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    FORCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    alias: str
    version: int
    etag: str
    request_id: str
    force: bool
    def __init__(self, model: _Optional[str] = ..., alias: _Optional[str] = ..., version: _Optional[int] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ..., force: bool = ...) -> None: ...

class DeleteModelAliasRequest(_message.Message):
    __slots__ = ("model", "alias", "etag", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    alias: str
    etag: str
    request_id: str
    def __init__(self, model: _Optional[str] = ..., alias: _Optional[str] = ..., etag: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteModelAliasResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class DeleteModelVersionRequest(_message.Message):
    __slots__ = ("model", "version", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    request_id: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class DeleteModelVersionResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetModelDriftRequest(_message.Message):
    __slots__ = ("model", "selector", "as_of")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ModelDrift(_message.Message):
    __slots__ = ("model", "version", "reference_as_of", "as_of", "rows", "features", "closed_window")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_AS_OF_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    CLOSED_WINDOW_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    reference_as_of: _timestamp_pb2.Timestamp
    as_of: _timestamp_pb2.Timestamp
    rows: int
    features: _containers.RepeatedCompositeFieldContainer[FeatureDrift]
    closed_window: ClosedWindow
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., reference_as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., rows: _Optional[int] = ..., features: _Optional[_Iterable[_Union[FeatureDrift, _Mapping]]] = ..., closed_window: _Optional[_Union[ClosedWindow, _Mapping]] = ...) -> None: ...

class FeatureDrift(_message.Message):
    __slots__ = ("name", "population_stability_index", "noise", "verdict", "reference_missing", "missing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    POPULATION_STABILITY_INDEX_FIELD_NUMBER: _ClassVar[int]
    NOISE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_MISSING_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    population_stability_index: float
    noise: float
    verdict: DriftVerdict
    reference_missing: float
    missing: float
    def __init__(self, name: _Optional[str] = ..., population_stability_index: _Optional[float] = ..., noise: _Optional[float] = ..., verdict: _Optional[_Union[DriftVerdict, str]] = ..., reference_missing: _Optional[float] = ..., missing: _Optional[float] = ...) -> None: ...

class ClosedWindow(_message.Message):
    __slots__ = ("as_of", "rows", "metrics")
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    as_of: _timestamp_pb2.Timestamp
    rows: int
    metrics: _containers.RepeatedCompositeFieldContainer[_common_pb2.EvaluationMetric]
    def __init__(self, as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., rows: _Optional[int] = ..., metrics: _Optional[_Iterable[_Union[_common_pb2.EvaluationMetric, _Mapping]]] = ...) -> None: ...
