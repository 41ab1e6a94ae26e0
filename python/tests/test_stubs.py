"""The stubs in the package are those of the protos beside it."""

import pathlib

import grpc_tools
import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from patron_client import _proto

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"
FILES = sorted((PROTO / "patron" / "v1").glob("*.proto"))


def test_there_are_protos():
    assert len(FILES) == 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_stub_is_that_of_its_proto(path, tmp_path):
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    out = tmp_path / "set"
    arguments = [f"-I{PROTO}", f"-I{well_known}", f"--descriptor_set_out={out}", str(path)]
    assert protoc.main(["protoc", *arguments]) == 0
    described = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file[0]
    module = __import__(f"{_proto.__name__}.{path.stem}_pb2", fromlist=["DESCRIPTOR"])
    kept = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(kept)
    for file in (described, kept):
        drop_json_names(file.message_type)
    assert kept == described, "run generate_stubs.py"
    if len(described.service) > 0:
        stubs = __import__(f"{_proto.__name__}.{path.stem}_pb2_grpc", fromlist=["grpc"])
        for service in described.service:
            servicer = getattr(stubs, f"{service.name}Servicer")
            missing = [one.name for one in service.method if not hasattr(servicer, one.name)]
            assert missing == [], "run generate_stubs.py"


def drop_json_names(messages):
    """Some generators write the default ones down, some do not."""
    for message in messages:
        for field in message.field:
            field.ClearField("json_name")
        drop_json_names(message.nested_type)
