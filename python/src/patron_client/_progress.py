"""Progress bars."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

if TYPE_CHECKING:
    from ._jobs import Job

_JOB_BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"


def rows_bar(total: int, what: str, unit: str, *, show: bool) -> Any:
    """A bar that counts rows."""
    return tqdm(total=total, desc=what, unit=f" {unit}", unit_scale=True, disable=not show)


class JobBar:
    """Shows the states of a job."""

    def __init__(self, what: str, progress: bool | Callable[[Job], object]) -> None:
        self._what = what
        self._tell = progress if callable(progress) else None
        shown = progress is True
        self._bar: Any = tqdm(total=100, desc=what, bar_format=_JOB_BAR, disable=not shown)

    def __enter__(self) -> JobBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def show(self, job: Job) -> None:
        """The next state."""
        if self._tell is not None:
            self._tell(job)
        stage = job.stage if job.state == "running" else job.state
        self._bar.set_description_str(f"{self._what}: {stage}", refresh=False)
        # The message is worth its place where it says more than the stage and the percentage.
        says_more = job.state == "running" and not job.message.startswith(f"{job.stage} ")
        self._bar.set_postfix_str(job.message if says_more else "", refresh=False)
        self._bar.n = 100 if job.state == "succeeded" else round(100 * job.fraction, 1)
        self._bar.refresh()
