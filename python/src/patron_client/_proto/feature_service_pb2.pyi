from google.protobuf import timestamp_pb2 as _timestamp_pb2
from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FeatureEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_ENCODING_UNSPECIFIED: _ClassVar[FeatureEncoding]
    FEATURE_ENCODING_F32_LE: _ClassVar[FeatureEncoding]
    FEATURE_ENCODING_FLOATS: _ClassVar[FeatureEncoding]

class FeatureRowStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_ROW_STATUS_UNSPECIFIED: _ClassVar[FeatureRowStatus]
    FEATURE_ROW_STATUS_FOUND: _ClassVar[FeatureRowStatus]
    FEATURE_ROW_STATUS_NO_HISTORY: _ClassVar[FeatureRowStatus]
FEATURE_ENCODING_UNSPECIFIED: FeatureEncoding
FEATURE_ENCODING_F32_LE: FeatureEncoding
FEATURE_ENCODING_FLOATS: FeatureEncoding
FEATURE_ROW_STATUS_UNSPECIFIED: FeatureRowStatus
FEATURE_ROW_STATUS_FOUND: FeatureRowStatus
FEATURE_ROW_STATUS_NO_HISTORY: FeatureRowStatus

class ListFeaturesRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "model", "selector")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    model: str
    selector: _common_pb2.ModelSelector
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ...) -> None: ...

class ListFeaturesResponse(_message.Message):
    __slots__ = ("features", "next_page_token", "schema_digest", "feature_count")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    FEATURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    features: _containers.RepeatedCompositeFieldContainer[FeatureDefinition]
    next_page_token: str
    schema_digest: str
    feature_count: int
    def __init__(self, features: _Optional[_Iterable[_Union[FeatureDefinition, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., schema_digest: _Optional[str] = ..., feature_count: _Optional[int] = ...) -> None: ...

class FeatureDefinition(_message.Message):
    __slots__ = ("name", "unit", "window", "meaning", "no_history_value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    NO_HISTORY_VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    window: str
    meaning: str
    no_history_value: float
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., window: _Optional[str] = ..., meaning: _Optional[str] = ..., no_history_value: _Optional[float] = ...) -> None: ...

class BatchGetFeaturesRequest(_message.Message):
    __slots__ = ("customer_ids", "as_of", "model", "selector", "encoding")
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    customer_ids: _containers.RepeatedScalarFieldContainer[str]
    as_of: _timestamp_pb2.Timestamp
    model: str
    selector: _common_pb2.ModelSelector
    encoding: FeatureEncoding
    def __init__(self, customer_ids: _Optional[_Iterable[str]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., encoding: _Optional[_Union[FeatureEncoding, str]] = ...) -> None: ...

class BatchGetFeaturesResponse(_message.Message):
    __slots__ = ("features", "statuses", "last_line_time_micros", "as_of", "errors", "request_id")
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    LAST_LINE_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    features: _common_pb2.FeatureBlock
    statuses: _containers.RepeatedScalarFieldContainer[FeatureRowStatus]
    last_line_time_micros: _containers.RepeatedScalarFieldContainer[int]
    as_of: _timestamp_pb2.Timestamp
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    request_id: str
    def __init__(self, features: _Optional[_Union[_common_pb2.FeatureBlock, _Mapping]] = ..., statuses: _Optional[_Iterable[_Union[FeatureRowStatus, str]]] = ..., last_line_time_micros: _Optional[_Iterable[int]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ..., request_id: _Optional[str] = ...) -> None: ...
