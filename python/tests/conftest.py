"""A real server on a free port, with data and models where a test needs them."""

import os
import pathlib
import shutil
import signal
import subprocess

import pandas as pd
import pytest

from patron_client import Client

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "online_retail"
BINARY = pathlib.Path(os.environ.get("PATRON_BINARY", ROOT / "target" / "debug" / "patron"))
ZONE = "Europe/London"
COLUMNS = {
    "customer_id": "CustomerID",
    "order_id": "InvoiceNo",
    "occurred_at": "InvoiceDate",
    "product_id": "StockCode",
    "quantity": "Quantity",
    "unit_price": "UnitPrice",
    "country": "Country",
    "cancels_order_id": "Cancels",
}


class Server:
    """A server process on a directory of its own; it keeps its port over restarts."""

    def __init__(self, directory: pathlib.Path, **settings: object) -> None:
        """Settings are called as their variables: ``tls_certificate`` is PATRON_TLS_CERTIFICATE."""
        self.directory = directory
        self.settings = {f"PATRON_{key.upper()}": str(value) for key, value in settings.items()}
        self.address = "127.0.0.1:0"
        self.process: subprocess.Popen[str] | None = None
        shutil.copytree(ROOT / "models", directory / "models")

    def start(self) -> "Server":
        arguments = {
            "--listen": self.address,
            "--data-directory": self.directory / "data",
            "--model-directory": self.directory / "models",
            "--time-zone": ZONE,
            "--currency": "GBP",
            "--as-of": "latest",
        }
        flat = [str(part) for pair in arguments.items() for part in pair]
        with (self.directory / "log").open("a") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", *flat],
                env={**os.environ, **self.settings},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline()
        if not line.startswith("listening on "):
            pytest.fail(f"no server: {line!r} {(self.directory / 'log').read_text()}")
        self.address = line.split()[-1]
        return self

    def end(self, how: signal.Signals) -> None:
        """Sends a signal and waits for the end of the process."""
        self.process.send_signal(how)
        self.process.wait(timeout=60)
        self.process.stdout.close()


def pytest_configure(config: pytest.Config) -> None:
    if not BINARY.exists():
        pytest.exit(f"{BINARY} does not exist; build it, or set PATRON_BINARY", returncode=2)


@pytest.fixture
def server(tmp_path):
    """A server that knows nothing."""
    running = Server(tmp_path).start()
    yield running
    running.end(signal.SIGKILL)


@pytest.fixture
def patron(server):
    with Client(server.address) as client:
        yield client


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A server with all lines and a model of each kind. Tests leave it as they found it."""
    running = Server(tmp_path_factory.mktemp("shop")).start()
    with Client(running.address) as client:
        report = client.import_file(
            DATA / "online_retail.parquet", DATA / "mapping.toml", progress=False
        )
        assert report.accepted == 541_909
        for model in ("segments", "rfm", "churn", "propensity", "forecast"):
            assert client.train(model, progress=False).promoted
        client.server = running
        yield client
    running.end(signal.SIGTERM)
    assert running.process.returncode == 0


@pytest.fixture(scope="session")
def receipts() -> pd.DataFrame:
    """The lines as a data scientist reads them: floats for customers, a clock without a zone."""
    frame = pd.read_parquet(DATA / "online_retail.parquet")
    is_cancellation = frame["InvoiceNo"].str.startswith("C")
    frame["Cancels"] = frame["InvoiceNo"].str[1:].where(is_cancellation)
    return frame


@pytest.fixture(scope="session")
def customers(receipts) -> list[str]:
    """The keys of all customers."""
    return receipts["CustomerID"].dropna().astype(int).astype(str).unique().tolist()
