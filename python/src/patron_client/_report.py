"""A version as a page for people."""

from __future__ import annotations

import dataclasses
import html
import pathlib
from typing import Any

from . import _models
from ._connection import Connection
from ._proto import model_service_pb2 as wire

_HEIGHT = 640  # pixels of the frame in a notebook


@dataclasses.dataclass(frozen=True)
class Report:
    """A version as one HTML page, which loads nothing; a notebook shows it.

    Attributes
    ----------
    model : str
        Name of the model.
    version : int
        The version's number.
    html : str
        The page.
    """

    model: str
    version: int
    html: str = dataclasses.field(repr=False)

    def save(self, path: str | pathlib.Path) -> pathlib.Path:
        """Writes the page to a file and returns its path."""
        target = pathlib.Path(path)
        target.write_text(self.html, "utf-8", newline="\n")
        return target

    def _repr_html_(self) -> str:
        # A frame of its own keeps the styles of page and notebook apart.
        page = html.escape(self.html, quote=True)
        title = html.escape(f"{self.model}/{self.version}", quote=True)
        style = f"width: 100%; height: {_HEIGHT}px; border: 1px solid #ccc"
        return f'<iframe sandbox title="{title}" style="{style}" srcdoc="{page}"></iframe>'


def report(
    connection: Connection,
    model: str,
    version: _models.Version | None,
    include_drift: bool,
    timeout: float | None,
) -> Report:
    """See `Client.report`."""
    request = wire.GetModelVersionReportRequest(
        model=model, selector=_models.selector(version), include_drift=include_drift
    )
    raw: Any = connection.call(connection.registry.GetModelVersionReport, request, timeout=timeout)
    return Report(raw.model, raw.version, raw.html)
