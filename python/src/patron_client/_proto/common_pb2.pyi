from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FIELD: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_LINE: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_CUSTOMER_ID: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FEATURE_BLOCK: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_ROWS: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_PAGE_TOKEN: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_RECIPE: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_MAPPING: _ClassVar[ErrorReason]
    ERROR_REASON_WRONG_MODEL_KIND: _ClassVar[ErrorReason]
    ERROR_REASON_MODEL_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_VERSION_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_ALIAS_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_JOB_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_CUSTOMER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SERIES_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SOURCE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_NO_CHAMPION: _ClassVar[ErrorReason]
    ERROR_REASON_UNKNOWN_FEATURE_SCHEMA: _ClassVar[ErrorReason]
    ERROR_REASON_MODEL_NOT_READY: _ClassVar[ErrorReason]
    ERROR_REASON_VERSION_IN_USE: _ClassVar[ErrorReason]
    ERROR_REASON_NOT_ENOUGH_DATA: _ClassVar[ErrorReason]
    ERROR_REASON_TOO_MANY_REFUSALS: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_OUTPUT_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_ETAG_MISMATCH: _ClassVar[ErrorReason]
    ERROR_REASON_PATH_NOT_ALLOWED: _ClassVar[ErrorReason]
    ERROR_REASON_OVERLOADED: _ClassVar[ErrorReason]
    ERROR_REASON_MESSAGE_TOO_LARGE: _ClassVar[ErrorReason]
    ERROR_REASON_SHUTTING_DOWN: _ClassVar[ErrorReason]
    ERROR_REASON_DEADLINE_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_CANCELLED: _ClassVar[ErrorReason]
    ERROR_REASON_CORRUPT_DATA: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_WORKER_LOST: _ClassVar[ErrorReason]
    ERROR_REASON_GATE_NOT_PASSED: _ClassVar[ErrorReason]
    ERROR_REASON_NO_REFERENCE: _ClassVar[ErrorReason]
    ERROR_REASON_UNAUTHENTICATED: _ClassVar[ErrorReason]
    ERROR_REASON_PERMISSION_DENIED: _ClassVar[ErrorReason]
    ERROR_REASON_RATE_LIMITED: _ClassVar[ErrorReason]

class ModelKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_KIND_UNSPECIFIED: _ClassVar[ModelKind]
    MODEL_KIND_SEGMENTS: _ClassVar[ModelKind]
    MODEL_KIND_CHURN: _ClassVar[ModelKind]
    MODEL_KIND_PROPENSITY: _ClassVar[ModelKind]
    MODEL_KIND_FORECAST: _ClassVar[ModelKind]
    MODEL_KIND_RFM: _ClassVar[ModelKind]

class JobState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOB_STATE_UNSPECIFIED: _ClassVar[JobState]
    JOB_STATE_QUEUED: _ClassVar[JobState]
    JOB_STATE_RUNNING: _ClassVar[JobState]
    JOB_STATE_SUCCEEDED: _ClassVar[JobState]
    JOB_STATE_FAILED: _ClassVar[JobState]
    JOB_STATE_CANCELLED: _ClassVar[JobState]
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_FIELD: ErrorReason
ERROR_REASON_INVALID_LINE: ErrorReason
ERROR_REASON_INVALID_CUSTOMER_ID: ErrorReason
ERROR_REASON_INVALID_FEATURE_BLOCK: ErrorReason
ERROR_REASON_TOO_MANY_ROWS: ErrorReason
ERROR_REASON_INVALID_PAGE_TOKEN: ErrorReason
ERROR_REASON_INVALID_RECIPE: ErrorReason
ERROR_REASON_INVALID_MAPPING: ErrorReason
ERROR_REASON_WRONG_MODEL_KIND: ErrorReason
ERROR_REASON_MODEL_NOT_FOUND: ErrorReason
ERROR_REASON_VERSION_NOT_FOUND: ErrorReason
ERROR_REASON_ALIAS_NOT_FOUND: ErrorReason
ERROR_REASON_JOB_NOT_FOUND: ErrorReason
ERROR_REASON_CUSTOMER_NOT_FOUND: ErrorReason
ERROR_REASON_SERIES_NOT_FOUND: ErrorReason
ERROR_REASON_SOURCE_NOT_FOUND: ErrorReason
ERROR_REASON_NO_CHAMPION: ErrorReason
ERROR_REASON_UNKNOWN_FEATURE_SCHEMA: ErrorReason
ERROR_REASON_MODEL_NOT_READY: ErrorReason
ERROR_REASON_VERSION_IN_USE: ErrorReason
ERROR_REASON_NOT_ENOUGH_DATA: ErrorReason
ERROR_REASON_TOO_MANY_REFUSALS: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_OUTPUT_EXISTS: ErrorReason
ERROR_REASON_ETAG_MISMATCH: ErrorReason
ERROR_REASON_PATH_NOT_ALLOWED: ErrorReason
ERROR_REASON_OVERLOADED: ErrorReason
ERROR_REASON_MESSAGE_TOO_LARGE: ErrorReason
ERROR_REASON_SHUTTING_DOWN: ErrorReason
ERROR_REASON_DEADLINE_EXCEEDED: ErrorReason
ERROR_REASON_CANCELLED: ErrorReason
ERROR_REASON_CORRUPT_DATA: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_WORKER_LOST: ErrorReason
ERROR_REASON_GATE_NOT_PASSED: ErrorReason
ERROR_REASON_NO_REFERENCE: ErrorReason
ERROR_REASON_UNAUTHENTICATED: ErrorReason
ERROR_REASON_PERMISSION_DENIED: ErrorReason
ERROR_REASON_RATE_LIMITED: ErrorReason
MODEL_KIND_UNSPECIFIED: ModelKind
MODEL_KIND_SEGMENTS: ModelKind
MODEL_KIND_CHURN: ModelKind
MODEL_KIND_PROPENSITY: ModelKind
MODEL_KIND_FORECAST: ModelKind
MODEL_KIND_RFM: ModelKind
JOB_STATE_UNSPECIFIED: JobState
JOB_STATE_QUEUED: JobState
JOB_STATE_RUNNING: JobState
JOB_STATE_SUCCEEDED: JobState
JOB_STATE_FAILED: JobState
JOB_STATE_CANCELLED: JobState

class TransactionLine(_message.Message):
    __slots__ = ("customer_id", "order_id", "line_number", "occurred_at", "product_id", "category", "quantity_thousandths", "unit_price_micros", "discount_micros", "unit_cost_micros", "currency", "channel", "store_id", "promotion_id", "country", "cancels_order_id")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_THOUSANDTHS_FIELD_NUMBER: _ClassVar[int]
    UNIT_PRICE_MICROS_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MICROS_FIELD_NUMBER: _ClassVar[int]
    UNIT_COST_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    CANCELS_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    order_id: str
    line_number: int
    occurred_at: _timestamp_pb2.Timestamp
    product_id: str
    category: str
    quantity_thousandths: int
    unit_price_micros: int
    discount_micros: int
    unit_cost_micros: int
    currency: str
    channel: str
    store_id: str
    promotion_id: str
    country: str
    cancels_order_id: str
    def __init__(self, customer_id: _Optional[str] = ..., order_id: _Optional[str] = ..., line_number: _Optional[int] = ..., occurred_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., product_id: _Optional[str] = ..., category: _Optional[str] = ..., quantity_thousandths: _Optional[int] = ..., unit_price_micros: _Optional[int] = ..., discount_micros: _Optional[int] = ..., unit_cost_micros: _Optional[int] = ..., currency: _Optional[str] = ..., channel: _Optional[str] = ..., store_id: _Optional[str] = ..., promotion_id: _Optional[str] = ..., country: _Optional[str] = ..., cancels_order_id: _Optional[str] = ...) -> None: ...

class RowError(_message.Message):
    __slots__ = ("row", "status")
    ROW_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    row: int
    status: _status_pb2.Status
    def __init__(self, row: _Optional[int] = ..., status: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class CustomerIds(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FeatureBlock(_message.Message):
    __slots__ = ("columns", "row_count", "f32_le", "floats", "schema_digest")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    F32_LE_FIELD_NUMBER: _ClassVar[int]
    FLOATS_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedScalarFieldContainer[str]
    row_count: int
    f32_le: bytes
    floats: FloatValues
    schema_digest: str
    def __init__(self, columns: _Optional[_Iterable[str]] = ..., row_count: _Optional[int] = ..., f32_le: _Optional[bytes] = ..., floats: _Optional[_Union[FloatValues, _Mapping]] = ..., schema_digest: _Optional[str] = ...) -> None: ...

class TableBlock(_message.Message):
    __slots__ = ("columns", "row_count")
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    columns: _containers.RepeatedCompositeFieldContainer[TableColumn]
    row_count: int
    def __init__(self, columns: _Optional[_Iterable[_Union[TableColumn, _Mapping]]] = ..., row_count: _Optional[int] = ...) -> None: ...

class TableColumn(_message.Message):
    __slots__ = ("name", "numbers", "flags", "texts", "missing")
    NAME_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    MISSING_FIELD_NUMBER: _ClassVar[int]
    name: str
    numbers: DoubleValues
    flags: BoolValues
    texts: StringValues
    missing: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., numbers: _Optional[_Union[DoubleValues, _Mapping]] = ..., flags: _Optional[_Union[BoolValues, _Mapping]] = ..., texts: _Optional[_Union[StringValues, _Mapping]] = ..., missing: _Optional[_Iterable[int]] = ...) -> None: ...

class DoubleValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class BoolValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, values: _Optional[_Iterable[bool]] = ...) -> None: ...

class StringValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class InputColumn(_message.Message):
    __slots__ = ("name", "type", "levels")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    levels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., levels: _Optional[_Iterable[str]] = ...) -> None: ...

class FloatValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class ModelSelector(_message.Message):
    __slots__ = ("version", "alias")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIAS_FIELD_NUMBER: _ClassVar[int]
    version: int
    alias: str
    def __init__(self, version: _Optional[int] = ..., alias: _Optional[str] = ...) -> None: ...

class JobProgress(_message.Message):
    __slots__ = ("stage", "fraction", "message")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    FRACTION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    fraction: float
    message: str
    def __init__(self, stage: _Optional[str] = ..., fraction: _Optional[float] = ..., message: _Optional[str] = ...) -> None: ...

class EvaluationMetric(_message.Message):
    __slots__ = ("name", "value", "higher_is_better", "references")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    HIGHER_IS_BETTER_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    higher_is_better: bool
    references: _containers.RepeatedCompositeFieldContainer[MetricReference]
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ..., higher_is_better: bool = ..., references: _Optional[_Iterable[_Union[MetricReference, _Mapping]]] = ...) -> None: ...

class MetricReference(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: float
    def __init__(self, name: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
