"""Keys, roles and certificates of the real server."""

import json
import signal
import subprocess

import pytest
import trustme
from conftest import BINARY, Server

import patron_client
from patron_client import Client


def make_key(file, name, *roles):
    """Makes a key with the command that operators use, and gives its secret."""
    command = [BINARY, "keys", "create", "--keys-file", file, "--output", "json"]
    made = subprocess.run(
        [*map(str, command), "--name", name, "--role", ",".join(roles)],
        capture_output=True,
        check=True,
    )
    return json.loads(made.stdout)["secret"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A server over TLS that asks for keys or client certificates."""
    directory = tmp_path_factory.mktemp("guarded")
    authority = trustme.CA()
    pair = authority.issue_cert("localhost")
    files = {
        "tls_certificate": (directory / "server.pem", pair.cert_chain_pems[0]),
        "tls_private_key": (directory / "server.key", pair.private_key_pem),
        "tls_client_ca": (directory / "ca.pem", authority.cert_pem),
    }
    for path, blob in files.values():
        blob.write_to_path(path)
        path.chmod(0o600)
    keys = directory / "keys.toml"
    secrets = {role: make_key(keys, f"{role}-desk", role) for role in ("read", "train", "admin")}
    till = '[[certificate]]\nname = "till.example"\nroles = ["read"]\n'
    keys.write_text(f"{keys.read_text()}\n{till}")
    settings = {key: path for key, (path, _) in files.items()}
    running = Server(directory, access_keys_file=keys, **settings).start()
    port = running.address.rsplit(":", 1)[1]
    yield f"https://localhost:{port}", authority, secrets, keys
    running.end(signal.SIGKILL)


def test_a_key_opens_what_its_roles_allow(guarded):
    target, authority, secrets, _ = guarded
    root = authority.cert_pem.bytes()
    with Client(target, api_key=secrets["read"], root_certificates=root) as client:
        assert not client.models().empty
        with pytest.raises(patron_client.PermissionDenied) as refused:
            client.erase_customer("17850")
    assert refused.value.reason == "PERMISSION_DENIED"
    assert "admin" in refused.value.message
    with Client(target, api_key=secrets["admin"], root_certificates=root) as client:
        client.erase_customer("17850")
    for key in (None, secrets["read"] + "0"):
        with Client(target, api_key=key, root_certificates=root) as client:
            with pytest.raises(patron_client.Unauthenticated) as refused:
                client.models()
        assert refused.value.reason == "UNAUTHENTICATED"


def test_a_certificate_opens_what_the_keys_file_says(guarded):
    target, authority, _, _ = guarded
    till = authority.issue_cert("till.example")
    shown = {
        "root_certificates": authority.cert_pem.bytes(),
        "client_certificate": till.cert_chain_pems[0].bytes(),
        "client_key": till.private_key_pem.bytes(),
    }
    with Client(target, **shown) as client:
        assert not client.models().empty
        with pytest.raises(patron_client.PermissionDenied) as refused:
            client.train("churn", progress=False)
    assert "till.example" in refused.value.message


def test_a_server_of_an_unknown_authority_is_not_trusted(guarded):
    target, _, secrets, _ = guarded
    stranger = trustme.CA().cert_pem.bytes()
    with Client(
        target, api_key=secrets["read"], root_certificates=stranger, max_attempts=1
    ) as client:
        with pytest.raises(patron_client.Unavailable):
            client.models()


def test_callers_that_ask_too_much_are_told_when_to_come_back(tmp_path):
    keys = tmp_path / "keys.toml"
    secret = make_key(keys, "desk", "read")
    limits = {"access_keys_file": keys, "access_calls_per_second": 1}
    running = Server(tmp_path, **limits).start()
    try:
        with Client(running.address, api_key=secret, max_attempts=1) as hasty:
            with pytest.raises(patron_client.RateLimited) as refused:
                [hasty.info() for _ in range(20)]
        assert refused.value.reason == "RATE_LIMITED"
        assert refused.value.retry_after > 0
        with Client(running.address, api_key=secret) as patient:
            for _ in range(3):
                patient.info()
    finally:
        running.end(signal.SIGKILL)
