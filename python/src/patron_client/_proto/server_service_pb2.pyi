from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AsOfRule(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AS_OF_RULE_UNSPECIFIED: _ClassVar[AsOfRule]
    AS_OF_RULE_NOW: _ClassVar[AsOfRule]
    AS_OF_RULE_LATEST: _ClassVar[AsOfRule]
AS_OF_RULE_UNSPECIFIED: AsOfRule
AS_OF_RULE_NOW: AsOfRule
AS_OF_RULE_LATEST: AsOfRule

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("version", "time_zone", "currency", "as_of_rule", "limits", "extensions", "service_config_json")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AS_OF_RULE_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    SERVICE_CONFIG_JSON_FIELD_NUMBER: _ClassVar[int]
    version: str
    time_zone: str
    currency: str
    as_of_rule: AsOfRule
    limits: ServerLimits
    extensions: _containers.RepeatedScalarFieldContainer[str]
    service_config_json: str
    def __init__(self, version: _Optional[str] = ..., time_zone: _Optional[str] = ..., currency: _Optional[str] = ..., as_of_rule: _Optional[_Union[AsOfRule, str]] = ..., limits: _Optional[_Union[ServerLimits, _Mapping]] = ..., extensions: _Optional[_Iterable[str]] = ..., service_config_json: _Optional[str] = ...) -> None: ...

class ServerLimits(_message.Message):
    __slots__ = ("max_message_bytes", "max_rows", "max_page_size", "max_streams_per_connection", "max_header_bytes", "max_call_seconds", "max_inflight_calls", "max_inflight_rows")
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_ROWS_FIELD_NUMBER: _ClassVar[int]
    MAX_PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_STREAMS_PER_CONNECTION_FIELD_NUMBER: _ClassVar[int]
    MAX_HEADER_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_CALL_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MAX_INFLIGHT_CALLS_FIELD_NUMBER: _ClassVar[int]
    MAX_INFLIGHT_ROWS_FIELD_NUMBER: _ClassVar[int]
    max_message_bytes: int
    max_rows: int
    max_page_size: int
    max_streams_per_connection: int
    max_header_bytes: int
    max_call_seconds: int
    max_inflight_calls: int
    max_inflight_rows: int
    def __init__(self, max_message_bytes: _Optional[int] = ..., max_rows: _Optional[int] = ..., max_page_size: _Optional[int] = ..., max_streams_per_connection: _Optional[int] = ..., max_header_bytes: _Optional[int] = ..., max_call_seconds: _Optional[int] = ..., max_inflight_calls: _Optional[int] = ..., max_inflight_rows: _Optional[int] = ...) -> None: ...
