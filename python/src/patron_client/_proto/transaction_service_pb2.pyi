from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from . import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IngestTransactionsRequest(_message.Message):
    __slots__ = ("chunk_id", "lines")
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    lines: _containers.RepeatedCompositeFieldContainer[_common_pb2.TransactionLine]
    def __init__(self, chunk_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[_common_pb2.TransactionLine, _Mapping]]] = ...) -> None: ...

class IngestTransactionsResponse(_message.Message):
    __slots__ = ("chunk_id", "accepted", "duplicates", "corrected", "refused", "refusals")
    CHUNK_ID_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    chunk_id: str
    accepted: int
    duplicates: int
    corrected: int
    refused: int
    refusals: _containers.RepeatedCompositeFieldContainer[LineRefusal]
    def __init__(self, chunk_id: _Optional[str] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., corrected: _Optional[int] = ..., refused: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[LineRefusal, _Mapping]]] = ...) -> None: ...

class LineRefusal(_message.Message):
    __slots__ = ("row", "field", "message")
    ROW_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    row: int
    field: str
    message: str
    def __init__(self, row: _Optional[int] = ..., field: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class ImportTransactionsRequest(_message.Message):
    __slots__ = ("source_uri", "mapping_toml", "max_refused_percent", "request_id", "validate_only")
    SOURCE_URI_FIELD_NUMBER: _ClassVar[int]
    MAPPING_TOML_FIELD_NUMBER: _ClassVar[int]
    MAX_REFUSED_PERCENT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    source_uri: str
    mapping_toml: str
    max_refused_percent: float
    request_id: str
    validate_only: bool
    def __init__(self, source_uri: _Optional[str] = ..., mapping_toml: _Optional[str] = ..., max_refused_percent: _Optional[float] = ..., request_id: _Optional[str] = ..., validate_only: bool = ...) -> None: ...

class ImportJob(_message.Message):
    __slots__ = ("job_id", "state", "progress", "create_time", "start_time", "end_time", "attempt", "error", "request_id", "source_uri", "report")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_URI_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    state: _common_pb2.JobState
    progress: _common_pb2.JobProgress
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    attempt: int
    error: _status_pb2.Status
    request_id: str
    source_uri: str
    report: ImportReport
    def __init__(self, job_id: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ..., progress: _Optional[_Union[_common_pb2.JobProgress, _Mapping]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., attempt: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ..., request_id: _Optional[str] = ..., source_uri: _Optional[str] = ..., report: _Optional[_Union[ImportReport, _Mapping]] = ...) -> None: ...

class ImportReport(_message.Message):
    __slots__ = ("source", "source_digest", "rows_read", "accepted", "duplicates", "corrected", "refused", "repeated_rows", "anonymous", "returns", "cancellations", "price_not_positive", "customers", "orders", "products", "first_occurred_at", "last_occurred_at", "revenue_micros", "units_thousandths", "currency", "recorded_at_rule", "refusals_by_reason", "first_refusals")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ROWS_READ_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    DUPLICATES_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    REPEATED_ROWS_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    CANCELLATIONS_FIELD_NUMBER: _ClassVar[int]
    PRICE_NOT_POSITIVE_FIELD_NUMBER: _ClassVar[int]
    CUSTOMERS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    REVENUE_MICROS_FIELD_NUMBER: _ClassVar[int]
    UNITS_THOUSANDTHS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_RULE_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_BY_REASON_FIELD_NUMBER: _ClassVar[int]
    FIRST_REFUSALS_FIELD_NUMBER: _ClassVar[int]
    source: str
    source_digest: str
    rows_read: int
    accepted: int
    duplicates: int
    corrected: int
    refused: int
    repeated_rows: int
    anonymous: int
    returns: int
    cancellations: int
    price_not_positive: int
    customers: int
    orders: int
    products: int
    first_occurred_at: _timestamp_pb2.Timestamp
    last_occurred_at: _timestamp_pb2.Timestamp
    revenue_micros: int
    units_thousandths: int
    currency: str
    recorded_at_rule: str
    refusals_by_reason: _containers.RepeatedCompositeFieldContainer[RefusalCount]
    first_refusals: _containers.RepeatedCompositeFieldContainer[LineRefusal]
    def __init__(self, source: _Optional[str] = ..., source_digest: _Optional[str] = ..., rows_read: _Optional[int] = ..., accepted: _Optional[int] = ..., duplicates: _Optional[int] = ..., corrected: _Optional[int] = ..., refused: _Optional[int] = ..., repeated_rows: _Optional[int] = ..., anonymous: _Optional[int] = ..., returns: _Optional[int] = ..., cancellations: _Optional[int] = ..., price_not_positive: _Optional[int] = ..., customers: _Optional[int] = ..., orders: _Optional[int] = ..., products: _Optional[int] = ..., first_occurred_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_occurred_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., revenue_micros: _Optional[int] = ..., units_thousandths: _Optional[int] = ..., currency: _Optional[str] = ..., recorded_at_rule: _Optional[str] = ..., refusals_by_reason: _Optional[_Iterable[_Union[RefusalCount, _Mapping]]] = ..., first_refusals: _Optional[_Iterable[_Union[LineRefusal, _Mapping]]] = ...) -> None: ...

class RefusalCount(_message.Message):
    __slots__ = ("reason", "count")
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    reason: str
    count: int
    def __init__(self, reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class GetImportJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class ListImportJobsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "state")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    state: _common_pb2.JobState
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., state: _Optional[_Union[_common_pb2.JobState, str]] = ...) -> None: ...

class ListImportJobsResponse(_message.Message):
    __slots__ = ("jobs", "next_page_token")
    JOBS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    jobs: _containers.RepeatedCompositeFieldContainer[ImportJob]
    next_page_token: str
    def __init__(self, jobs: _Optional[_Iterable[_Union[ImportJob, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class WatchImportJobRequest(_message.Message):
    __slots__ = ("job_id",)
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    def __init__(self, job_id: _Optional[str] = ...) -> None: ...

class CancelImportJobRequest(_message.Message):
    __slots__ = ("job_id", "request_id")
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    request_id: str
    def __init__(self, job_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class GetCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "page_size", "page_token")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    page_size: int
    page_token: str
    def __init__(self, customer_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class Customer(_message.Message):
    __slots__ = ("customer_id", "visits", "orders", "line_count", "return_count", "products", "first_visit_time", "last_visit_time", "last_recorded_time", "spend_micros", "quantity_thousandths", "margin_micros", "currency", "lines", "next_page_token", "attributes")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    VISITS_FIELD_NUMBER: _ClassVar[int]
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    LINE_COUNT_FIELD_NUMBER: _ClassVar[int]
    RETURN_COUNT_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    FIRST_VISIT_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_VISIT_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_RECORDED_TIME_FIELD_NUMBER: _ClassVar[int]
    SPEND_MICROS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_THOUSANDTHS_FIELD_NUMBER: _ClassVar[int]
    MARGIN_MICROS_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    visits: int
    orders: int
    line_count: int
    return_count: int
    products: int
    first_visit_time: _timestamp_pb2.Timestamp
    last_visit_time: _timestamp_pb2.Timestamp
    last_recorded_time: _timestamp_pb2.Timestamp
    spend_micros: int
    quantity_thousandths: int
    margin_micros: int
    currency: str
    lines: _containers.RepeatedCompositeFieldContainer[StoredLine]
    next_page_token: str
    attributes: _containers.RepeatedCompositeFieldContainer[CustomerAttributes]
    def __init__(self, customer_id: _Optional[str] = ..., visits: _Optional[int] = ..., orders: _Optional[int] = ..., line_count: _Optional[int] = ..., return_count: _Optional[int] = ..., products: _Optional[int] = ..., first_visit_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_visit_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., last_recorded_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., spend_micros: _Optional[int] = ..., quantity_thousandths: _Optional[int] = ..., margin_micros: _Optional[int] = ..., currency: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[StoredLine, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., attributes: _Optional[_Iterable[_Union[CustomerAttributes, _Mapping]]] = ...) -> None: ...

class CustomerAttributes(_message.Message):
    __slots__ = ("table", "valid_from", "valid_to", "values")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TABLE_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_TO_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    table: str
    valid_from: _timestamp_pb2.Timestamp
    valid_to: _timestamp_pb2.Timestamp
    values: _containers.ScalarMap[str, str]
    def __init__(self, table: _Optional[str] = ..., valid_from: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., valid_to: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., values: _Optional[_Mapping[str, str]] = ...) -> None: ...

class StoredLine(_message.Message):
    __slots__ = ("line", "recorded_at")
    LINE_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    line: _common_pb2.TransactionLine
    recorded_at: _timestamp_pb2.Timestamp
    def __init__(self, line: _Optional[_Union[_common_pb2.TransactionLine, _Mapping]] = ..., recorded_at: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class EraseCustomerRequest(_message.Message):
    __slots__ = ("customer_id", "request_id")
    CUSTOMER_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    customer_id: str
    request_id: str
    def __init__(self, customer_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class EraseCustomerResponse(_message.Message):
    __slots__ = ("lines_erased", "erase_time")
    LINES_ERASED_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    lines_erased: int
    erase_time: _timestamp_pb2.Timestamp
    def __init__(self, lines_erased: _Optional[int] = ..., erase_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
