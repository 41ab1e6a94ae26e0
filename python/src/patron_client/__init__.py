"""Client of Patron, the retail prediction service: pandas in and out.

>>> from patron_client import Client
>>> with Client("127.0.0.1:50051") as patron:  # doctest: +SKIP
...     patron.predict("churn", ["17850", "14911"], explain=3)
"""

from ._customers import Customer, Erased, ImportReport
from ._info import Limits, ServerInfo
from ._ingest import IngestReport
from ._jobs import Job
from ._models import Alias, Evaluation, Trained
from ._predict import reasons_frame
from ._report import Report
from ._version import __version__
from .client import Client
from .errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    Overloaded,
    PatronError,
    PermissionDenied,
    RateLimited,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)

__all__ = [
    "Aborted",
    "Alias",
    "AlreadyExists",
    "Cancelled",
    "Client",
    "Customer",
    "DataLoss",
    "DeadlineExceeded",
    "Erased",
    "Evaluation",
    "FailedPrecondition",
    "ImportReport",
    "IngestReport",
    "Internal",
    "InvalidArgument",
    "Job",
    "Limits",
    "NotFound",
    "OutOfRange",
    "Overloaded",
    "PatronError",
    "PermissionDenied",
    "RateLimited",
    "Report",
    "ResourceExhausted",
    "ServerInfo",
    "Trained",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
    "__version__",
    "reasons_frame",
]
