from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RowSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ROW_SOURCE_UNSPECIFIED: _ClassVar[RowSource]
    ROW_SOURCE_HISTORY: _ClassVar[RowSource]
    ROW_SOURCE_FEATURES: _ClassVar[RowSource]
    ROW_SOURCE_WHAT_IF: _ClassVar[RowSource]
    ROW_SOURCE_PRIOR: _ClassVar[RowSource]

class Frequency(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FREQUENCY_UNSPECIFIED: _ClassVar[Frequency]
    FREQUENCY_DAILY: _ClassVar[Frequency]
    FREQUENCY_WEEKLY: _ClassVar[Frequency]
    FREQUENCY_MONTHLY: _ClassVar[Frequency]

class RegressorKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REGRESSOR_KIND_UNSPECIFIED: _ClassVar[RegressorKind]
    REGRESSOR_KIND_INDICATOR: _ClassVar[RegressorKind]
    REGRESSOR_KIND_PRICE: _ClassVar[RegressorKind]

class CannotTellReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANNOT_TELL_REASON_UNSPECIFIED: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_NEVER_RAN: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_NEVER_MOVED: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_HARDLY_MOVED: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_MOVES_WITH_SEASON: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_COLLINEAR: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_FEW_VALUES: _ClassVar[CannotTellReason]
    CANNOT_TELL_REASON_NOT_THERE: _ClassVar[CannotTellReason]

class IntervalSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTERVAL_SOURCE_UNSPECIFIED: _ClassVar[IntervalSource]
    INTERVAL_SOURCE_CONFORMAL: _ClassVar[IntervalSource]
    INTERVAL_SOURCE_FORMULA: _ClassVar[IntervalSource]
ROW_SOURCE_UNSPECIFIED: RowSource
ROW_SOURCE_HISTORY: RowSource
ROW_SOURCE_FEATURES: RowSource
ROW_SOURCE_WHAT_IF: RowSource
ROW_SOURCE_PRIOR: RowSource
FREQUENCY_UNSPECIFIED: Frequency
FREQUENCY_DAILY: Frequency
FREQUENCY_WEEKLY: Frequency
FREQUENCY_MONTHLY: Frequency
REGRESSOR_KIND_UNSPECIFIED: RegressorKind
REGRESSOR_KIND_INDICATOR: RegressorKind
REGRESSOR_KIND_PRICE: RegressorKind
CANNOT_TELL_REASON_UNSPECIFIED: CannotTellReason
CANNOT_TELL_REASON_NEVER_RAN: CannotTellReason
CANNOT_TELL_REASON_NEVER_MOVED: CannotTellReason
CANNOT_TELL_REASON_HARDLY_MOVED: CannotTellReason
CANNOT_TELL_REASON_MOVES_WITH_SEASON: CannotTellReason
CANNOT_TELL_REASON_COLLINEAR: CannotTellReason
CANNOT_TELL_REASON_FEW_VALUES: CannotTellReason
CANNOT_TELL_REASON_NOT_THERE: CannotTellReason
INTERVAL_SOURCE_UNSPECIFIED: IntervalSource
INTERVAL_SOURCE_CONFORMAL: IntervalSource
INTERVAL_SOURCE_FORMULA: IntervalSource

class CustomerLines(_message.Message):
    __slots__ = ("customers",)
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    customers: _containers.RepeatedCompositeFieldContainer[WhatIfHistory]
    def __init__(self, customers: _Optional[_Iterable[_Union[WhatIfHistory, _Mapping]]] = ...) -> None: ...

class WhatIfHistory(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[_common_pb2.TransactionLine]
    def __init__(self, lines: _Optional[_Iterable[_Union[_common_pb2.TransactionLine, _Mapping]]] = ...) -> None: ...

class RowReasons(_message.Message):
    __slots__ = ("reasons",)
    REASONS_FIELD_NUMBER: _ClassVar[int]
    reasons: _containers.RepeatedCompositeFieldContainer[Reason]
    def __init__(self, reasons: _Optional[_Iterable[_Union[Reason, _Mapping]]] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "feature", "value", "contribution", "text")
    CODE_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    CONTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    code: str
    feature: str
    value: float
    contribution: float
    text: str
    def __init__(self, code: _Optional[str] = ..., feature: _Optional[str] = ..., value: _Optional[float] = ..., contribution: _Optional[float] = ..., text: _Optional[str] = ...) -> None: ...

class ServedBy(_message.Message):
    __slots__ = ("model", "version", "model_digest", "schema_digest", "as_of", "newest_line_time", "trained_as_of", "event", "horizon_days", "population", "calibration_error", "request_id")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    NEWEST_LINE_TIME_FIELD_NUMBER: _ClassVar[int]
    TRAINED_AS_OF_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    HORIZON_DAYS_FIELD_NUMBER: _ClassVar[int]
    POPULATION_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_ERROR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    model_digest: str
    schema_digest: str
    as_of: _timestamp_pb2.Timestamp
    newest_line_time: _timestamp_pb2.Timestamp
    trained_as_of: _timestamp_pb2.Timestamp
    event: str
    horizon_days: int
    population: str
    calibration_error: float
    request_id: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., model_digest: _Optional[str] = ..., schema_digest: _Optional[str] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., newest_line_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., trained_as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., event: _Optional[str] = ..., horizon_days: _Optional[int] = ..., population: _Optional[str] = ..., calibration_error: _Optional[float] = ..., request_id: _Optional[str] = ...) -> None: ...

class AssignSegmentsRequest(_message.Message):
    __slots__ = ("model", "selector", "customer_ids", "features", "histories", "as_of", "explain", "all_distances", "include_catalogue")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORIES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    ALL_DISTANCES_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    customer_ids: _common_pb2.CustomerIds
    features: _common_pb2.FeatureBlock
    histories: CustomerLines
    as_of: _timestamp_pb2.Timestamp
    explain: int
    all_distances: bool
    include_catalogue: bool
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., customer_ids: _Optional[_Union[_common_pb2.CustomerIds, _Mapping]] = ..., features: _Optional[_Union[_common_pb2.FeatureBlock, _Mapping]] = ..., histories: _Optional[_Union[CustomerLines, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., explain: _Optional[int] = ..., all_distances: bool = ..., include_catalogue: bool = ...) -> None: ...

class AssignSegmentsResponse(_message.Message):
    __slots__ = ("served_by", "segments", "names", "distances", "confidences", "all_distances", "catalogue", "sources", "reasons", "last_line_time_micros", "errors")
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DISTANCES_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCES_FIELD_NUMBER: _ClassVar[int]
    ALL_DISTANCES_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LAST_LINE_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    served_by: ServedBy
    segments: _containers.RepeatedScalarFieldContainer[int]
    names: _containers.RepeatedScalarFieldContainer[str]
    distances: _containers.RepeatedScalarFieldContainer[float]
    confidences: _containers.RepeatedScalarFieldContainer[float]
    all_distances: _containers.RepeatedScalarFieldContainer[float]
    catalogue: _containers.RepeatedCompositeFieldContainer[Segment]
    sources: _containers.RepeatedScalarFieldContainer[RowSource]
    reasons: _containers.RepeatedCompositeFieldContainer[RowReasons]
    last_line_time_micros: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    def __init__(self, served_by: _Optional[_Union[ServedBy, _Mapping]] = ..., segments: _Optional[_Iterable[int]] = ..., names: _Optional[_Iterable[str]] = ..., distances: _Optional[_Iterable[float]] = ..., confidences: _Optional[_Iterable[float]] = ..., all_distances: _Optional[_Iterable[float]] = ..., catalogue: _Optional[_Iterable[_Union[Segment, _Mapping]]] = ..., sources: _Optional[_Iterable[_Union[RowSource, str]]] = ..., reasons: _Optional[_Iterable[_Union[RowReasons, _Mapping]]] = ..., last_line_time_micros: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ...) -> None: ...

class Segment(_message.Message):
    __slots__ = ("id", "name", "description", "share")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    id: int
    name: str
    description: str
    share: float
    def __init__(self, id: _Optional[int] = ..., name: _Optional[str] = ..., description: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class StreamAssignSegmentsRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: AssignSegmentsRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[AssignSegmentsRequest, _Mapping]] = ...) -> None: ...

class StreamAssignSegmentsResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: AssignSegmentsResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[AssignSegmentsResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class AssignRfmRequest(_message.Message):
    __slots__ = ("model", "selector", "customer_ids", "features", "histories", "as_of")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORIES_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    customer_ids: _common_pb2.CustomerIds
    features: _common_pb2.FeatureBlock
    histories: CustomerLines
    as_of: _timestamp_pb2.Timestamp
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., customer_ids: _Optional[_Union[_common_pb2.CustomerIds, _Mapping]] = ..., features: _Optional[_Union[_common_pb2.FeatureBlock, _Mapping]] = ..., histories: _Optional[_Union[CustomerLines, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AssignRfmResponse(_message.Message):
    __slots__ = ("served_by", "recency_scores", "frequency_scores", "monetary_scores", "cells", "segments", "naming_version", "edges", "sources", "reasons", "last_line_time_micros", "errors")
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    RECENCY_SCORES_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_SCORES_FIELD_NUMBER: _ClassVar[int]
    MONETARY_SCORES_FIELD_NUMBER: _ClassVar[int]
    CELLS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    NAMING_VERSION_FIELD_NUMBER: _ClassVar[int]
    EDGES_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LAST_LINE_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    served_by: ServedBy
    recency_scores: _containers.RepeatedScalarFieldContainer[int]
    frequency_scores: _containers.RepeatedScalarFieldContainer[int]
    monetary_scores: _containers.RepeatedScalarFieldContainer[int]
    cells: _containers.RepeatedScalarFieldContainer[str]
    segments: _containers.RepeatedScalarFieldContainer[str]
    naming_version: str
    edges: RfmEdges
    sources: _containers.RepeatedScalarFieldContainer[RowSource]
    reasons: _containers.RepeatedCompositeFieldContainer[RowReasons]
    last_line_time_micros: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    def __init__(self, served_by: _Optional[_Union[ServedBy, _Mapping]] = ..., recency_scores: _Optional[_Iterable[int]] = ..., frequency_scores: _Optional[_Iterable[int]] = ..., monetary_scores: _Optional[_Iterable[int]] = ..., cells: _Optional[_Iterable[str]] = ..., segments: _Optional[_Iterable[str]] = ..., naming_version: _Optional[str] = ..., edges: _Optional[_Union[RfmEdges, _Mapping]] = ..., sources: _Optional[_Iterable[_Union[RowSource, str]]] = ..., reasons: _Optional[_Iterable[_Union[RowReasons, _Mapping]]] = ..., last_line_time_micros: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ...) -> None: ...

class RfmEdges(_message.Message):
    __slots__ = ("recency", "frequency", "monetary")
    RECENCY_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    MONETARY_FIELD_NUMBER: _ClassVar[int]
    recency: _containers.RepeatedScalarFieldContainer[float]
    frequency: _containers.RepeatedScalarFieldContainer[float]
    monetary: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, recency: _Optional[_Iterable[float]] = ..., frequency: _Optional[_Iterable[float]] = ..., monetary: _Optional[_Iterable[float]] = ...) -> None: ...

class StreamAssignRfmRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: AssignRfmRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[AssignRfmRequest, _Mapping]] = ...) -> None: ...

class StreamAssignRfmResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: AssignRfmResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[AssignRfmResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PredictChurnRequest(_message.Message):
    __slots__ = ("model", "selector", "customer_ids", "features", "histories", "table", "as_of", "explain", "threshold")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORIES_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    customer_ids: _common_pb2.CustomerIds
    features: _common_pb2.FeatureBlock
    histories: CustomerLines
    table: _common_pb2.TableBlock
    as_of: _timestamp_pb2.Timestamp
    explain: int
    threshold: float
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., customer_ids: _Optional[_Union[_common_pb2.CustomerIds, _Mapping]] = ..., features: _Optional[_Union[_common_pb2.FeatureBlock, _Mapping]] = ..., histories: _Optional[_Union[CustomerLines, _Mapping]] = ..., table: _Optional[_Union[_common_pb2.TableBlock, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., explain: _Optional[int] = ..., threshold: _Optional[float] = ...) -> None: ...

class PredictChurnResponse(_message.Message):
    __slots__ = ("served_by", "probabilities", "percentiles", "labels", "threshold", "interval_lower", "interval_upper", "interval_level", "sources", "reasons", "last_line_time_micros", "errors")
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LOWER_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_UPPER_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LEVEL_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LAST_LINE_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    served_by: ServedBy
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    percentiles: _containers.RepeatedScalarFieldContainer[float]
    labels: _containers.RepeatedScalarFieldContainer[bool]
    threshold: float
    interval_lower: _containers.RepeatedScalarFieldContainer[float]
    interval_upper: _containers.RepeatedScalarFieldContainer[float]
    interval_level: float
    sources: _containers.RepeatedScalarFieldContainer[RowSource]
    reasons: _containers.RepeatedCompositeFieldContainer[RowReasons]
    last_line_time_micros: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    def __init__(self, served_by: _Optional[_Union[ServedBy, _Mapping]] = ..., probabilities: _Optional[_Iterable[float]] = ..., percentiles: _Optional[_Iterable[float]] = ..., labels: _Optional[_Iterable[bool]] = ..., threshold: _Optional[float] = ..., interval_lower: _Optional[_Iterable[float]] = ..., interval_upper: _Optional[_Iterable[float]] = ..., interval_level: _Optional[float] = ..., sources: _Optional[_Iterable[_Union[RowSource, str]]] = ..., reasons: _Optional[_Iterable[_Union[RowReasons, _Mapping]]] = ..., last_line_time_micros: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ...) -> None: ...

class StreamPredictChurnRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: PredictChurnRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[PredictChurnRequest, _Mapping]] = ...) -> None: ...

class StreamPredictChurnResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: PredictChurnResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[PredictChurnResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class PredictPropensityRequest(_message.Message):
    __slots__ = ("model", "selector", "customer_ids", "features", "histories", "table", "as_of", "explain", "threshold")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_IDS_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    HISTORIES_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    EXPLAIN_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    customer_ids: _common_pb2.CustomerIds
    features: _common_pb2.FeatureBlock
    histories: CustomerLines
    table: _common_pb2.TableBlock
    as_of: _timestamp_pb2.Timestamp
    explain: int
    threshold: float
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., customer_ids: _Optional[_Union[_common_pb2.CustomerIds, _Mapping]] = ..., features: _Optional[_Union[_common_pb2.FeatureBlock, _Mapping]] = ..., histories: _Optional[_Union[CustomerLines, _Mapping]] = ..., table: _Optional[_Union[_common_pb2.TableBlock, _Mapping]] = ..., as_of: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., explain: _Optional[int] = ..., threshold: _Optional[float] = ...) -> None: ...

class PredictPropensityResponse(_message.Message):
    __slots__ = ("served_by", "probabilities", "percentiles", "labels", "threshold", "interval_lower", "interval_upper", "interval_level", "sources", "reasons", "last_line_time_micros", "errors", "scope")
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LOWER_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_UPPER_FIELD_NUMBER: _ClassVar[int]
    INTERVAL_LEVEL_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REASONS_FIELD_NUMBER: _ClassVar[int]
    LAST_LINE_TIME_MICROS_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    served_by: ServedBy
    probabilities: _containers.RepeatedScalarFieldContainer[float]
    percentiles: _containers.RepeatedScalarFieldContainer[float]
    labels: _containers.RepeatedScalarFieldContainer[bool]
    threshold: float
    interval_lower: _containers.RepeatedScalarFieldContainer[float]
    interval_upper: _containers.RepeatedScalarFieldContainer[float]
    interval_level: float
    sources: _containers.RepeatedScalarFieldContainer[RowSource]
    reasons: _containers.RepeatedCompositeFieldContainer[RowReasons]
    last_line_time_micros: _containers.RepeatedScalarFieldContainer[int]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    scope: str
    def __init__(self, served_by: _Optional[_Union[ServedBy, _Mapping]] = ..., probabilities: _Optional[_Iterable[float]] = ..., percentiles: _Optional[_Iterable[float]] = ..., labels: _Optional[_Iterable[bool]] = ..., threshold: _Optional[float] = ..., interval_lower: _Optional[_Iterable[float]] = ..., interval_upper: _Optional[_Iterable[float]] = ..., interval_level: _Optional[float] = ..., sources: _Optional[_Iterable[_Union[RowSource, str]]] = ..., reasons: _Optional[_Iterable[_Union[RowReasons, _Mapping]]] = ..., last_line_time_micros: _Optional[_Iterable[int]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ..., scope: _Optional[str] = ...) -> None: ...

class StreamPredictPropensityRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: PredictPropensityRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[PredictPropensityRequest, _Mapping]] = ...) -> None: ...

class StreamPredictPropensityResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: PredictPropensityResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[PredictPropensityResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class SeriesKey(_message.Message):
    __slots__ = ("group", "value")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    group: str
    value: str
    def __init__(self, group: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class SeriesSum(_message.Message):
    __slots__ = ("series",)
    SERIES_FIELD_NUMBER: _ClassVar[int]
    series: _containers.RepeatedCompositeFieldContainer[SeriesKey]
    def __init__(self, series: _Optional[_Iterable[_Union[SeriesKey, _Mapping]]] = ...) -> None: ...

class ForecastRequest(_message.Message):
    __slots__ = ("model", "selector", "series", "horizon", "levels", "include_components", "sums", "include_effects", "plan")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SELECTOR_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    LEVELS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_EFFECTS_FIELD_NUMBER: _ClassVar[int]
    PLAN_FIELD_NUMBER: _ClassVar[int]
    model: str
    selector: _common_pb2.ModelSelector
    series: _containers.RepeatedCompositeFieldContainer[SeriesKey]
    horizon: int
    levels: _containers.RepeatedScalarFieldContainer[float]
    include_components: bool
    sums: _containers.RepeatedCompositeFieldContainer[SeriesSum]
    include_effects: bool
    plan: _containers.RepeatedCompositeFieldContainer[PlannedPeriod]
    def __init__(self, model: _Optional[str] = ..., selector: _Optional[_Union[_common_pb2.ModelSelector, _Mapping]] = ..., series: _Optional[_Iterable[_Union[SeriesKey, _Mapping]]] = ..., horizon: _Optional[int] = ..., levels: _Optional[_Iterable[float]] = ..., include_components: bool = ..., sums: _Optional[_Iterable[_Union[SeriesSum, _Mapping]]] = ..., include_effects: bool = ..., plan: _Optional[_Iterable[_Union[PlannedPeriod, _Mapping]]] = ...) -> None: ...

class PlannedPeriod(_message.Message):
    __slots__ = ("series", "date", "values")
    SERIES_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    series: SeriesKey
    date: str
    values: _containers.RepeatedCompositeFieldContainer[PlannedValue]
    def __init__(self, series: _Optional[_Union[SeriesKey, _Mapping]] = ..., date: _Optional[str] = ..., values: _Optional[_Iterable[_Union[PlannedValue, _Mapping]]] = ...) -> None: ...

class PlannedValue(_message.Message):
    __slots__ = ("regressor", "value")
    REGRESSOR_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    regressor: str
    value: float
    def __init__(self, regressor: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...

class ForecastResponse(_message.Message):
    __slots__ = ("served_by", "period_starts", "series", "errors", "frequency", "measure", "currency", "sums")
    SERVED_BY_FIELD_NUMBER: _ClassVar[int]
    PERIOD_STARTS_FIELD_NUMBER: _ClassVar[int]
    SERIES_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    FREQUENCY_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SUMS_FIELD_NUMBER: _ClassVar[int]
    served_by: ServedBy
    period_starts: _containers.RepeatedCompositeFieldContainer[_timestamp_pb2.Timestamp]
    series: _containers.RepeatedCompositeFieldContainer[SeriesForecast]
    errors: _containers.RepeatedCompositeFieldContainer[_common_pb2.RowError]
    frequency: Frequency
    measure: str
    currency: str
    sums: _containers.RepeatedCompositeFieldContainer[SumForecast]
    def __init__(self, served_by: _Optional[_Union[ServedBy, _Mapping]] = ..., period_starts: _Optional[_Iterable[_Union[_timestamp_pb2.Timestamp, _Mapping]]] = ..., series: _Optional[_Iterable[_Union[SeriesForecast, _Mapping]]] = ..., errors: _Optional[_Iterable[_Union[_common_pb2.RowError, _Mapping]]] = ..., frequency: _Optional[_Union[Frequency, str]] = ..., measure: _Optional[str] = ..., currency: _Optional[str] = ..., sums: _Optional[_Iterable[_Union[SumForecast, _Mapping]]] = ...) -> None: ...

class SeriesForecast(_message.Message):
    __slots__ = ("key", "mean", "intervals", "method", "weights", "fallback_reason", "backtest_mase", "components", "effects")
    KEY_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FALLBACK_REASON_FIELD_NUMBER: _ClassVar[int]
    BACKTEST_MASE_FIELD_NUMBER: _ClassVar[int]
    COMPONENTS_FIELD_NUMBER: _ClassVar[int]
    EFFECTS_FIELD_NUMBER: _ClassVar[int]
    key: SeriesKey
    mean: _containers.RepeatedScalarFieldContainer[float]
    intervals: _containers.RepeatedCompositeFieldContainer[ForecastInterval]
    method: str
    weights: _containers.RepeatedCompositeFieldContainer[MethodWeight]
    fallback_reason: str
    backtest_mase: float
    components: ForecastComponents
    effects: _containers.RepeatedCompositeFieldContainer[RegressorEffect]
    def __init__(self, key: _Optional[_Union[SeriesKey, _Mapping]] = ..., mean: _Optional[_Iterable[float]] = ..., intervals: _Optional[_Iterable[_Union[ForecastInterval, _Mapping]]] = ..., method: _Optional[str] = ..., weights: _Optional[_Iterable[_Union[MethodWeight, _Mapping]]] = ..., fallback_reason: _Optional[str] = ..., backtest_mase: _Optional[float] = ..., components: _Optional[_Union[ForecastComponents, _Mapping]] = ..., effects: _Optional[_Iterable[_Union[RegressorEffect, _Mapping]]] = ...) -> None: ...

class RegressorEffect(_message.Message):
    __slots__ = ("regressor", "kind", "uplift", "cannot_tell")
    REGRESSOR_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    UPLIFT_FIELD_NUMBER: _ClassVar[int]
    CANNOT_TELL_FIELD_NUMBER: _ClassVar[int]
    regressor: str
    kind: RegressorKind
    uplift: RegressorUplift
    cannot_tell: CannotTell
    def __init__(self, regressor: _Optional[str] = ..., kind: _Optional[_Union[RegressorKind, str]] = ..., uplift: _Optional[_Union[RegressorUplift, _Mapping]] = ..., cannot_tell: _Optional[_Union[CannotTell, _Mapping]] = ...) -> None: ...

class RegressorUplift(_message.Message):
    __slots__ = ("percent", "baseline", "uplift", "elasticity", "periods", "pooled_series")
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    BASELINE_FIELD_NUMBER: _ClassVar[int]
    UPLIFT_FIELD_NUMBER: _ClassVar[int]
    ELASTICITY_FIELD_NUMBER: _ClassVar[int]
    PERIODS_FIELD_NUMBER: _ClassVar[int]
    POOLED_SERIES_FIELD_NUMBER: _ClassVar[int]
    percent: Estimate
    baseline: float
    uplift: Estimate
    elasticity: Estimate
    periods: int
    pooled_series: int
    def __init__(self, percent: _Optional[_Union[Estimate, _Mapping]] = ..., baseline: _Optional[float] = ..., uplift: _Optional[_Union[Estimate, _Mapping]] = ..., elasticity: _Optional[_Union[Estimate, _Mapping]] = ..., periods: _Optional[int] = ..., pooled_series: _Optional[int] = ...) -> None: ...

class Estimate(_message.Message):
    __slots__ = ("value", "lower", "upper")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    value: float
    lower: float
    upper: float
    def __init__(self, value: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ...) -> None: ...

class CannotTell(_message.Message):
    __slots__ = ("reason", "message")
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    reason: CannotTellReason
    message: str
    def __init__(self, reason: _Optional[_Union[CannotTellReason, str]] = ..., message: _Optional[str] = ...) -> None: ...

class ForecastComponents(_message.Message):
    __slots__ = ("level", "trend", "seasonal", "adjustment", "regressors")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    TREND_FIELD_NUMBER: _ClassVar[int]
    SEASONAL_FIELD_NUMBER: _ClassVar[int]
    ADJUSTMENT_FIELD_NUMBER: _ClassVar[int]
    REGRESSORS_FIELD_NUMBER: _ClassVar[int]
    level: _containers.RepeatedScalarFieldContainer[float]
    trend: _containers.RepeatedScalarFieldContainer[float]
    seasonal: _containers.RepeatedScalarFieldContainer[float]
    adjustment: _containers.RepeatedScalarFieldContainer[float]
    regressors: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, level: _Optional[_Iterable[float]] = ..., trend: _Optional[_Iterable[float]] = ..., seasonal: _Optional[_Iterable[float]] = ..., adjustment: _Optional[_Iterable[float]] = ..., regressors: _Optional[_Iterable[float]] = ...) -> None: ...

class SumForecast(_message.Message):
    __slots__ = ("mean", "intervals")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    INTERVALS_FIELD_NUMBER: _ClassVar[int]
    mean: _containers.RepeatedScalarFieldContainer[float]
    intervals: _containers.RepeatedCompositeFieldContainer[ForecastInterval]
    def __init__(self, mean: _Optional[_Iterable[float]] = ..., intervals: _Optional[_Iterable[_Union[ForecastInterval, _Mapping]]] = ...) -> None: ...

class MethodWeight(_message.Message):
    __slots__ = ("method", "weight")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    method: str
    weight: float
    def __init__(self, method: _Optional[str] = ..., weight: _Optional[float] = ...) -> None: ...

class ForecastInterval(_message.Message):
    __slots__ = ("level", "lower", "upper", "source", "backtest_coverage")
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    BACKTEST_COVERAGE_FIELD_NUMBER: _ClassVar[int]
    level: float
    lower: _containers.RepeatedScalarFieldContainer[float]
    upper: _containers.RepeatedScalarFieldContainer[float]
    source: IntervalSource
    backtest_coverage: float
    def __init__(self, level: _Optional[float] = ..., lower: _Optional[_Iterable[float]] = ..., upper: _Optional[_Iterable[float]] = ..., source: _Optional[_Union[IntervalSource, str]] = ..., backtest_coverage: _Optional[float] = ...) -> None: ...

class StreamForecastRequest(_message.Message):
    __slots__ = ("sequence", "request")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    request: ForecastRequest
    def __init__(self, sequence: _Optional[int] = ..., request: _Optional[_Union[ForecastRequest, _Mapping]] = ...) -> None: ...

class StreamForecastResponse(_message.Message):
    __slots__ = ("sequence", "response", "error")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    response: ForecastResponse
    error: _status_pb2.Status
    def __init__(self, sequence: _Optional[int] = ..., response: _Optional[_Union[ForecastResponse, _Mapping]] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...
