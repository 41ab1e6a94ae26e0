"""Checks the Open Inference Protocol of a running Patron server with Triton's own client.

    pip install -r tests/python/oip_requirements.txt
    python tests/python/oip_check.py --endpoint 127.0.0.1:50051

The client is the unmodified `tritonclient`. The server must hold trained models of all kinds, as
after `patron demo`. Prints one line per check; exits with 1 at the first that fails.
"""

import argparse
import queue
import sys

import grpc
import numpy
from google.protobuf import descriptor_pool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tritonclient import grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

TIMEOUT = 30.0
ROWS = 5
SERVICE = "inference.GRPCInferenceService"
METHODS = [
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelStreamInfer",
    "ModelStatistics",
    "RepositoryIndex",
]


class Failed(Exception):
    """What was expected and what was found."""


def expect(holds, message):
    """As assert, but also under python -O."""
    if not holds:
        raise Failed(message)


def expect_equal(found, expected, what):
    expect(found == expected, f"{what}: expected {expected}, found {found}")


def expect_same(found, expected, what):
    """Equal numbers, bit by bit."""
    same = found.dtype == expected.dtype and found.tobytes() == expected.tobytes()
    expect(same, f"{what}: expected {expected}, found {found}")


def refusal(call, code):
    """What the client tells of a call that must fail with this code."""
    try:
        call()
    except InferenceServerException as error:
        expect_equal(error.status(), f"StatusCode.{code}", f"status ({error.message()})")
        return error.message()
    raise Failed(f"expected {code}, found an answer")


def raw_input(name, values):
    tensor = triton.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    return tensor.set_data_from_numpy(values)


def fields(message):
    """What goes over the wire of a message, without what ours does not declare."""
    return {field.number: (field.name, field.type, field.is_repeated) for field in message.fields}


class Checks:
    """The checks, in the order in which they run."""

    def __init__(self, channel, client):
        self.channel = channel
        self.client = client
        self.stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)

    def matrix(self, model, rows=ROWS):
        """Vectors of the model's width; any finite numbers will do."""
        (features,) = self.client.get_model_metadata(model).inputs
        numbers = numpy.random.default_rng(7)
        return numbers.uniform(0, 300, (rows, features.shape[1])).astype(numpy.float32)

    def infer(self, model, values, **options):
        inputs = [raw_input("features", values)]
        return self.client.infer(model, inputs, client_timeout=TIMEOUT, **options)

    def typed(self, model, values):
        """The same vectors in typed contents, as KServe's clients send them."""
        request = service_pb2.ModelInferRequest(model_name=model, id="typed")
        tensor = request.inputs.add(name="features", shape=list(values.shape))
        tensor.datatype = "FP32"
        tensor.contents.fp32_contents.extend(values.ravel().tolist())
        return self.stub.ModelInfer(request, timeout=TIMEOUT)

    def the_wire_is_that_of_the_clients_own_protos(self):
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(self.channel))
        service = pool.FindServiceByName(SERVICE)
        theirs = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
        expect_equal([method.name for method in service.methods], METHODS, "methods")
        waiting, compared = [], {}
        for method in service.methods:
            own = theirs.methods_by_name[method.name]
            kinds = (method.client_streaming, method.server_streaming)
            expect_equal(kinds, (own.client_streaming, own.server_streaming), method.name)
            waiting += [(method.input_type, own.input_type), (method.output_type, own.output_type)]
        while waiting:
            message, own = waiting.pop()
            expect_equal(message.full_name, own.full_name, "message")
            known, here = fields(own), fields(message)
            expect(here.items() <= known.items(), f"{own.full_name}: {here} is not of {known}")
            compared[message.full_name] = len(here)
            for field in message.fields:
                if field.message_type and field.message_type.full_name not in compared:
                    waiting.append(
                        (field.message_type, own.fields_by_number[field.number].message_type)
                    )
        return f"{len(compared)} messages, {sum(compared.values())} fields"

    def the_server_is_live_and_ready(self):
        expect(self.client.is_server_live(), "not live")
        expect(self.client.is_server_ready(), "not ready")
        metadata = self.client.get_server_metadata()
        expect_equal(metadata.name, "patron", "name")
        expect("statistics" in metadata.extensions, f"extensions: {metadata.extensions}")
        return f"{metadata.name} {metadata.version}"

    def models_are_ready(self):
        for model in ["churn", "propensity", "segments", "forecast"]:
            expect(self.client.is_model_ready(model), f"{model} is not ready")
        expect(self.client.is_model_ready("churn", "1"), "churn/1 is not ready")
        message = refusal(lambda: self.client.is_model_ready("nothing"), "NOT_FOUND")
        expect("nothing" in message, message)
        return "four models"

    def metadata_tells_the_tensors(self):
        metadata = self.client.get_model_metadata("churn")
        expect_equal((metadata.name, metadata.platform), ("churn", "patron"), "metadata")
        (features,) = metadata.inputs
        expect_equal((features.name, features.datatype), ("features", "FP32"), "input")
        expect_equal(features.shape[0], -1, "rows of the input")
        outputs = [(output.name, output.datatype) for output in metadata.outputs]
        expect_equal(outputs, [("probability", "FP32"), ("percentile", "FP32")], "outputs")
        return f"{features.shape[1]} features, versions {list(metadata.versions)}"

    def raw_and_typed_contents_have_the_same_answer(self):
        values = self.matrix("churn")
        answer = self.infer("churn", values, request_id="raw")
        probabilities = answer.as_numpy("probability")
        expect_equal(answer.get_response().id, "raw", "id")
        expect_equal(probabilities.shape, (ROWS,), "shape")
        expect(((probabilities >= 0) & (probabilities <= 1)).all(), f"{probabilities}")
        typed = self.typed("churn", values)
        expect_equal(typed.id, "typed", "id")
        expect_equal(len(typed.raw_output_contents), 0, "raw contents of a typed answer")
        contents = numpy.array(typed.outputs[0].contents.fp32_contents, dtype=numpy.float32)
        expect_same(contents, probabilities, "typed")
        return f"{probabilities[0]:.4f} for the first row"

    def double_precision_rounds_to_single(self):
        values = self.matrix("propensity")
        single = self.infer("propensity", values).as_numpy("probability")
        double = self.infer("propensity", values.astype(numpy.float64)).as_numpy("probability")
        expect_equal(double.dtype, numpy.float64, "datatype")
        expect_same(double.astype(numpy.float32), single, "rounded")
        return f"{double[0]:.12f} for the first row"

    def segments_are_numbers_and_names(self):
        wanted = [triton.InferRequestedOutput(name) for name in ["name", "segment"]]
        answer = self.infer("segments", self.matrix("segments"), outputs=wanted)
        names = [name.decode() for name in answer.as_numpy("name")]
        expect_equal(answer.as_numpy("segment").dtype, numpy.int64, "datatype")
        expect(all(names) and len(names) == ROWS, f"{names}")
        expect(answer.as_numpy("distance") is None, "an output that was not wanted")
        return names[0]

    def ten_thousand_rows_go_at_once(self):
        answer = self.infer("churn", self.matrix("churn", 10_000))
        expect_equal(answer.as_numpy("percentile").shape, (10_000,), "shape")
        message = refusal(
            lambda: self.infer("churn", self.matrix("churn", 10_001)), "INVALID_ARGUMENT"
        )
        expect("10001" in message, message)
        return "10,000 rows"

    def compressed_calls_have_the_same_answer(self):
        values = self.matrix("churn", 500)
        plain = self.infer("churn", values).as_numpy("probability")
        zipped = self.infer("churn", values, compression_algorithm="gzip").as_numpy("probability")
        expect_same(zipped, plain, "with gzip")
        return "gzip"

    def a_stream_goes_on_after_a_refused_request(self):
        values = self.matrix("churn")
        expected = self.infer("churn", values).as_numpy("probability")
        answers = queue.Queue()
        self.client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for number, sent in enumerate([values, values[:, :3], values]):
            inputs = [raw_input("features", numpy.ascontiguousarray(sent))]
            self.client.async_stream_infer("churn", inputs, request_id=str(number))
        told = [answers.get(timeout=TIMEOUT) for _ in range(3)]
        self.client.stop_stream()
        expect(told[1][0] is None, "a wrong shape was answered")
        message = told[1][1].message()
        expect(message.startswith("INVALID_ARGUMENT: inputs: "), message)
        for number in [0, 2]:
            result, error = told[number]
            expect(error is None, f"request {number}: {error}")
            expect_equal(result.get_response().id, str(number), "id")
            expect_same(result.as_numpy("probability"), expected, f"request {number}")
        return message

    def wrong_tensors_are_named(self):
        values = self.matrix("churn")
        message = refusal(
            lambda: self.infer("churn", numpy.ascontiguousarray(values[:, :3])), "INVALID_ARGUMENT"
        )
        values[2, 4] = numpy.nan
        message = refusal(lambda: self.infer("churn", values), "INVALID_ARGUMENT")
        expect("row 2" in message, message)
        refusal(lambda: self.infer("forecast", values), "INVALID_ARGUMENT")
        refusal(lambda: self.infer("churn", values, model_version="99"), "NOT_FOUND")
        return message

    def the_index_lists_the_versions(self):
        index = self.client.get_model_repository_index()
        ready = {model.name for model in index.models if model.state == "READY"}
        missing = {"churn", "propensity", "segments", "forecast"} - ready
        expect(not missing, f"not ready: {missing}")
        return f"{len(index.models)} versions"

    def statistics_count_the_calls(self):
        def read():
            (counted,) = self.client.get_inference_statistics("churn", "1").model_stats
            return counted

        before = read()
        self.infer("churn", self.matrix("churn"))
        refusal(lambda: self.infer("churn", numpy.zeros((1, 2), "float32")), "INVALID_ARGUMENT")
        after = read()
        expect_equal(after.inference_count - before.inference_count, ROWS, "rows")
        expect_equal(after.execution_count - before.execution_count, 1, "executions")
        failed = after.inference_stats.fail.count - before.inference_stats.fail.count
        expect_equal(failed, 1, "failed calls")
        expect(after.last_inference >= before.last_inference > 0, "time of the last call")
        infer = after.inference_stats.compute_infer
        return f"{after.execution_count} calls, {infer.ns / infer.count / 1e3:.0f} us of model each"

    def run(self):
        checks = [
            self.the_wire_is_that_of_the_clients_own_protos,
            self.the_server_is_live_and_ready,
            self.models_are_ready,
            self.metadata_tells_the_tensors,
            self.raw_and_typed_contents_have_the_same_answer,
            self.double_precision_rounds_to_single,
            self.segments_are_numbers_and_names,
            self.ten_thousand_rows_go_at_once,
            self.compressed_calls_have_the_same_answer,
            self.a_stream_goes_on_after_a_refused_request,
            self.wrong_tensors_are_named,
            self.the_index_lists_the_versions,
            self.statistics_count_the_calls,
        ]
        for check in checks:
            name = check.__name__.replace("_", " ")
            try:
                print(f"ok    {name}: {check()}", flush=True)
            except Failed as failure:
                sys.exit(f"FAIL  {name}: {failure}")
            except InferenceServerException as error:
                sys.exit(f"FAIL  {name}: {error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default="127.0.0.1:50051", help="host:port of the server")
    arguments = parser.parse_args()
    with grpc.insecure_channel(arguments.endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
        except grpc.FutureTimeoutError:
            sys.exit(f"FAIL  no server at {arguments.endpoint}")
        with triton.InferenceServerClient(arguments.endpoint) as client:
            Checks(channel, client).run()


if __name__ == "__main__":
    main()
