"""Executes the notebooks against a running server, from the first cell to the last.

    PATRON_ENDPOINT=127.0.0.1:50051 python notebooks/run.py --check    # only execute
    PATRON_ENDPOINT=127.0.0.1:50051 python notebooks/run.py --write    # and store the outputs

Every notebook runs in a kernel of its own; the first error of one ends it, and the exit status is
then 1. Without names all notebooks of this folder are run. `--write` stores them in one form:
without time stamps and without metadata of the machine, with cells numbered in their order. It
refuses a notebook whose outputs are too large, name this machine or hold warnings; `--check` only
tells of them.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import pathlib
import platform
import re
import sys
import time
from collections.abc import Iterator
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent
WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_SECONDS = 120
MOST_BYTES = 300_000
COLOURS = 64
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(notebook: Any) -> dict[str, Any]:
    """Runs all cells; returns the states of the widgets that they showed."""
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(FOLDER)}},
        record_timing=False,
        store_widget_state=True,
    )
    client.execute()
    return dict(client.widget_state)


def normalise(notebook: Any, widgets: dict[str, Any]) -> None:
    """Takes out whatever differs between two runs of the same cells."""
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    count = 0
    for place, cell in enumerate(notebook.cells, 1):
        cell.id = f"cell-{place:02}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        cell.outputs = [kept for kept in (one_form(out, widgets) for out in cell.outputs) if kept]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count


def one_form(output: Any, widgets: dict[str, Any]) -> Any:
    """An output as it is stored: a bar as the line of text that it ended as."""
    if output.output_type == "stream":
        output.text = re.sub(r"(?m)^[^\n]*\r(?=[^\n])", "", output.text)
        return output if output.text.strip() else None
    data = output.get("data", {})
    if WIDGET in data:
        text = widget_text(data[WIDGET]["model_id"], widgets)
        if not text:
            return None
        return nbformat.v4.new_output("display_data", data={"text/plain": text})
    if data.get("text/html", "").startswith("<iframe"):
        del data["text/html"]  # a page as large as a notebook, which viewers leave out anyway
    if "image/png" in data:
        data["image/png"] = smaller(data["image/png"])
    if "metadata" in output:
        output.metadata = nbformat.from_dict({})
    return output


def smaller(picture: str) -> str:
    """A picture with a palette of few colours, which a plot does not miss."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    kept = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode("ascii")


def widget_text(model: str, widgets: dict[str, Any]) -> str:
    """What a row of widgets says, without the time that it took."""
    state = widgets.get(model, {})
    parts = [
        widget_text(child.removeprefix("IPY_MODEL_"), widgets)
        for child in state.get("children", [])
    ]
    if state.get("_model_name") == "HTMLModel":
        parts.append(html.unescape(state.get("value", "")).strip())
    text = " ".join(part for part in parts if part)
    return re.sub(r"\s*\d+:\d\d\s*", " ", text).strip()


def complaints(notebook: Any, path: pathlib.Path) -> list[str]:
    """Why a notebook should not be stored."""
    text = nbformat.writes(notebook)
    found = []
    if len(text.encode()) > MOST_BYTES:
        found.append(f"{len(text.encode()):,} bytes, at most {MOST_BYTES:,} are stored")
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{cell.id} writes to stderr: {output.text.strip()[:200]}")
    told = "\n".join(output_texts(notebook))
    private = {str(pathlib.Path.home()), str(FOLDER), platform.node()} - {"/", "", "localhost"}
    found.extend(
        f"an output names {name}"
        for name in sorted(private)
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)
    )
    return [f"{path.name}: {one}" for one in found]


def output_texts(notebook: Any) -> Iterator[str]:
    """All texts of the outputs; pictures are none."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (
                value for kind, value in output.get("data", {}).items() if kind.startswith("text/")
            )


def run(path: pathlib.Path, *, write: bool) -> bool:
    """Executes one notebook; whether it held."""
    notebook = nbformat.read(path, as_version=4)
    started = time.monotonic()
    try:
        widgets = execute(notebook)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        told = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
        seconds = time.monotonic() - started
        print(f"{path.name}: failed after {seconds:.1f} s\n{told}", file=sys.stderr)
        return False
    normalise(notebook, widgets)
    wrong = complaints(notebook, path)
    for one in wrong:
        print(one, file=sys.stderr)
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    if write and not wrong:
        path.write_text(text, "utf-8")
    seconds, size = time.monotonic() - started, len(text.encode()) / 1000
    print(f"{path.name}: {seconds:.1f} s, {size:.0f} kB", flush=True)
    return not (write and wrong)


def main() -> None:
    parser = argparse.ArgumentParser(description="Executes the notebooks against PATRON_ENDPOINT.")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="only execute")
    what.add_argument("--write", action="store_true", help="execute and store the outputs")
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, help="by default all of them")
    args = parser.parse_args()
    chosen = args.notebooks or sorted(FOLDER.glob("[0-9]*.ipynb"))
    held = [run(path, write=args.write) for path in chosen]
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
