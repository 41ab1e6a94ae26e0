"""The tour of the README prints what the README says."""

import contextlib
import io
import re
import signal

import pytest
from conftest import DATA, ROOT, Server

from patron_client import Client

BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)
README = (ROOT / "python" / "README.md").read_text("utf-8")


@pytest.fixture
def demo(tmp_path):
    """What `patron demo` serves."""
    server = Server(tmp_path).start()
    with Client(server.address) as client:
        client.import_file(DATA / "online_retail.parquet", DATA / "mapping.toml", progress=False)
        for model in ("segments", "rfm", "churn", "propensity", "forecast"):
            client.train(model, progress=False)
    yield server.address
    server.end(signal.SIGKILL)


def test_the_tour_prints_what_it_says(demo):
    names, printed = {}, ""
    told = 0
    for kind, block in BLOCK.findall(README):
        if kind == "python":
            code = block.replace("127.0.0.1:50051", demo)
            code = code.replace('"tests/data/', f'"{ROOT.as_posix()}/tests/data/')
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code, "README.md", "exec"), names)
            printed = out.getvalue()
        else:
            # Releases of pandas align columns in their own ways.
            assert printed.split() == block.split(), printed
            told += 1
    names["patron"].close()
    assert told >= 8
