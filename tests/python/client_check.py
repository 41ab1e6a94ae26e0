"""Checks a running Patron server from Python: stock grpcio, stubs generated from proto/.

    pip install -r tests/python/requirements.txt
    python tests/python/client_check.py --endpoint 127.0.0.1:50051

The server must hold trained models of all four kinds, as after `patron demo`. The customers that
the check stores it erases again. Prints one line per check; exits with 1 at the first that fails.
"""

import argparse
import importlib
import math
import pathlib
import sys
import tempfile
import uuid

import grpc
import grpc_tools
from google.protobuf import descriptor_pool, timestamp_pb2
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
PARTS = ["transaction", "feature", "training", "model", "prediction", "scoring"]
SERVICES = [f"patron.v1.{part.capitalize()}Service" for part in PARTS]
TIMEOUT = 30.0


def generate(proto, out):
    """Generates the stubs of patron.v1; google.rpc comes with googleapis-common-protos."""
    well_known = str(pathlib.Path(grpc_tools.__file__).parent / "_proto")
    files = [str(path) for path in sorted((proto / "patron" / "v1").glob("*.proto"))]
    arguments = [f"-I{proto}", f"-I{well_known}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main(["protoc", *arguments, *files]) != 0:
        sys.exit("protoc failed")
    sys.path.insert(0, out)


class Failed(Exception):
    """What was expected and what was found."""


def expect(holds, message):
    """As assert, but also under python -O."""
    if not holds:
        raise Failed(message)


def expect_equal(found, expected, what):
    expect(found == expected, f"{what}: expected {expected}, found {found}")


def refusal(call, request, code):
    """The google.rpc.Status of a call that must fail with this code."""
    try:
        answer = call(request, timeout=TIMEOUT)
    except grpc.RpcError as error:
        expect_equal(error.code(), code, f"status ({error.details()})")
        status = rpc_status.from_call(error)
        expect(status is not None, "the error carries no google.rpc.Status")
        return status
    raise Failed(f"expected {code}, found the answer {answer}")


def detail(status, message):
    """The first detail of this type."""
    for packed in status.details:
        if packed.Unpack(message):
            return message
    raise Failed(f"the error has no {message.DESCRIPTOR.full_name}: {status}")


def expect_reason(status, reason):
    info = detail(status, error_details_pb2.ErrorInfo())
    expect_equal((info.reason, info.domain), (reason, "patron"), "ErrorInfo")


def expect_served(served, model):
    """An answer names its model, its data and what it means."""
    expect_equal(served.model, model, "served_by.model")
    expect(served.version > 0, "served_by.version is not set")
    expect(served.model_digest != "", "served_by.model_digest is not set")
    expect(served.HasField("as_of"), "served_by.as_of is not set")
    expect(served.request_id != "", "served_by.request_id is not set")


def expect_columns(answer, rows, names):
    for name in names:
        expect_equal(len(getattr(answer, name)), rows, f"length of {name}")


def expect_probabilities(answer, rows):
    expect_columns(answer, rows, ["probabilities", "percentiles", "labels", "sources"])
    expect_equal(len(answer.errors), 0, "errors")
    served = answer.served_by
    expect(served.event != "", "served_by.event is not set")
    expect(served.horizon_days > 0, "served_by.horizon_days is not set")
    expect(served.population != "", "served_by.population is not set")
    expect(served.HasField("calibration_error"), "served_by.calibration_error is not set")
    for row in range(rows):
        probability, percentile = answer.probabilities[row], answer.percentiles[row]
        expect(0.0 <= probability <= 1.0, f"probability of row {row}: {probability}")
        expect(0.0 <= percentile <= 100.0, f"percentile of row {row}: {percentile}")
        label = probability >= answer.threshold
        expect_equal(answer.labels[row], label, f"label of row {row} at {answer.threshold}")


class Checks:
    """The checks, in the order in which they run."""

    def __init__(self, channel, customers):
        def load(part):
            messages = importlib.import_module(f"patron.v1.{part}_service_pb2")
            stubs = importlib.import_module(f"patron.v1.{part}_service_pb2_grpc")
            return messages, getattr(stubs, f"{part.capitalize()}ServiceStub")(channel)

        self.channel = channel
        self.customers = customers
        self.unknown = f"unknown-{uuid.uuid4()}"
        self.common = importlib.import_module("patron.v1.common_pb2")
        self.transactions, self.transaction_service = load("transaction")
        self.features, self.feature_service = load("feature")
        self.models, self.model_service = load("model")
        self.predictions, self.prediction_service = load("prediction")

    def ids(self, extra=()):
        return self.common.CustomerIds(ids=[*self.customers, *extra])

    def models_are_listed(self):
        answer = self.model_service.ListModels(self.models.ListModelsRequest(), timeout=TIMEOUT)
        kinds = self.common.ModelKind
        found = {model.kind for model in answer.models}
        for kind in kinds.values():
            if kind != kinds.Value("MODEL_KIND_UNSPECIFIED"):
                expect(kind in found, f"no model of kind {kinds.Name(kind)}")
        names = []
        for model in answer.models:
            aliases = {alias.alias: alias.version for alias in model.aliases}
            names.append(f"{model.name} {aliases.get('champion', '-')}")
        return ", ".join(names)

    def churn_answers_unknown_customers_with_the_prior(self):
        request = self.predictions.PredictChurnRequest(
            customer_ids=self.ids([self.unknown]), explain=3
        )
        answer = self.prediction_service.PredictChurn(request, timeout=TIMEOUT)
        known = len(self.customers)
        expect_served(answer.served_by, "churn")
        expect_probabilities(answer, known + 1)
        expect_columns(answer, known + 1, ["reasons", "interval_lower", "interval_upper"])
        sources = [self.predictions.ROW_SOURCE_HISTORY] * known
        sources.append(self.predictions.ROW_SOURCE_PRIOR)
        expect_equal(list(answer.sources), sources, "sources")
        codes = [reason.code for reason in answer.reasons[known].reasons]
        expect("NO_HISTORY" in codes, f"reasons of the unknown customer: {codes}")
        lower, upper = answer.interval_lower[known], answer.interval_upper[known]
        prior = answer.probabilities[known]
        expect(lower <= prior <= upper, f"prior {prior} outside {lower}..{upper}")
        expect(lower < upper, f"the prior's interval has no width: {lower}..{upper}")
        for row in range(known):
            reasons = answer.reasons[row].reasons
            told = sum(reason.code == "FEATURE" for reason in reasons)
            expect(1 <= told <= 3, f"{told} features among the reasons of row {row}")
        return f"prior {prior:.3f} in {lower:.3f}..{upper:.3f}, {answer.served_by.event}"

    def segments_are_assigned(self):
        request = self.predictions.AssignSegmentsRequest(
            customer_ids=self.ids(), all_distances=True, include_catalogue=True
        )
        answer = self.prediction_service.AssignSegments(request, timeout=TIMEOUT)
        rows = len(self.customers)
        expect_served(answer.served_by, "segments")
        expect_columns(answer, rows, ["segments", "names", "distances", "confidences", "sources"])
        names = {segment.id: segment.name for segment in answer.catalogue}
        width = len(names)
        expect(width >= 2, f"{width} segments in the catalogue")
        share = sum(segment.share for segment in answer.catalogue)
        expect(abs(share - 1.0) < 1e-6, f"the shares add up to {share}")
        expect_equal(len(answer.all_distances), rows * width, "length of all_distances")
        for row in range(rows):
            expect_equal(answer.names[row], names.get(answer.segments[row]), f"name of row {row}")
            nearest = min(answer.all_distances[row * width : (row + 1) * width])
            expect_equal(answer.distances[row], nearest, f"distance of row {row}")
            confidence = answer.confidences[row]
            expect(0.0 <= confidence <= 1.0, f"confidence of row {row}: {confidence}")
        return ", ".join(f"{key} {name}" for key, name in zip(self.customers, answer.names))

    def propensity_is_predicted(self):
        request = self.predictions.PredictPropensityRequest(customer_ids=self.ids(), threshold=0.25)
        answer = self.prediction_service.PredictPropensity(request, timeout=TIMEOUT)
        expect_served(answer.served_by, "propensity")
        expect_probabilities(answer, len(self.customers))
        expect_equal(answer.threshold, 0.25, "threshold")
        expect(answer.scope != "", "scope is not set")
        values = ", ".join(f"{value:.3f}" for value in answer.probabilities)
        return f"{values} ({answer.scope})"

    def forecast_intervals_are_nested(self):
        total = self.predictions.SeriesKey(group="total")
        request = self.predictions.ForecastRequest(series=[total], horizon=4, levels=[0.8, 0.95])
        answer = self.prediction_service.Forecast(request, timeout=TIMEOUT)
        expect_served(answer.served_by, "forecast")
        expect_equal(len(answer.errors), 0, "errors")
        expect_equal(len(answer.period_starts), 4, "periods")
        expect_equal([series.key for series in answer.series], [total], "series")
        starts = [start.ToNanoseconds() for start in answer.period_starts]
        expect(starts == sorted(set(starts)), "the periods are not in order of time")
        series = answer.series[0]
        expect(series.method != "", "method is not set")
        expect_equal([band.level for band in series.intervals], [0.8, 0.95], "levels")
        inner, outer = series.intervals
        columns = [outer.lower, inner.lower, series.mean, inner.upper, outer.upper]
        for column in columns:
            expect_equal(len(column), 4, "values")
        for period, values in enumerate(zip(*columns)):
            expect(all(map(math.isfinite, values)), f"period {period} is not finite: {values}")
            expect(list(values) == sorted(values), f"period {period} is not nested: {values}")
        mean = ", ".join(f"{value:.0f}" for value in series.mean)
        return f"{answer.measure} {mean} by {series.method}"

    def a_feature_block_of_another_width_is_refused(self):
        floats = self.common.FloatValues(values=[1.0, 2.0, 3.0])
        block = self.common.FeatureBlock(row_count=1, floats=floats)
        request = self.predictions.PredictChurnRequest(features=block)
        call = self.prediction_service.PredictChurn
        status = refusal(call, request, grpc.StatusCode.INVALID_ARGUMENT)
        expect_reason(status, "INVALID_FEATURE_BLOCK")
        violations = detail(status, error_details_pb2.BadRequest()).field_violations
        expect(len(violations) > 0, "BadRequest names no field")
        field, description = violations[0].field, violations[0].description
        expect(field.startswith("features"), f"field: expected features..., found {field}")
        return f"{field}: {description}"

    def an_unknown_customer_is_not_found(self):
        request = self.transactions.GetCustomerRequest(customer_id=self.unknown)
        call = self.transaction_service.GetCustomer
        status = refusal(call, request, grpc.StatusCode.NOT_FOUND)
        expect_reason(status, "CUSTOMER_NOT_FOUND")
        return status.message

    def features_sent_back_give_the_same_answer(self):
        call = self.prediction_service.PredictChurn
        by_id = call(
            self.predictions.PredictChurnRequest(customer_ids=self.ids()), timeout=TIMEOUT
        )
        served = by_id.served_by
        selector = self.common.ModelSelector(version=served.version)
        request = self.features.BatchGetFeaturesRequest(
            customer_ids=self.customers,
            as_of=served.as_of,
            model=served.model,
            selector=selector,
            encoding=self.features.FEATURE_ENCODING_F32_LE,
        )
        vectors = self.feature_service.BatchGetFeatures(request, timeout=TIMEOUT)
        rows, width = len(self.customers), len(vectors.features.columns)
        expect_equal(
            list(vectors.statuses), [self.features.FEATURE_ROW_STATUS_FOUND] * rows, "statuses"
        )
        expect_equal(len(vectors.features.f32_le), rows * width * 4, "bytes of features")
        expect_equal(vectors.features.schema_digest, served.schema_digest, "schema digest")
        expect_equal(
            list(vectors.last_line_time_micros), list(by_id.last_line_time_micros), "feature time"
        )
        by_features = call(
            self.predictions.PredictChurnRequest(features=vectors.features, selector=selector),
            timeout=TIMEOUT,
        )
        for name in ["probabilities", "percentiles", "labels"]:
            expect_equal(list(getattr(by_features, name)), list(getattr(by_id, name)), name)
        sources = [self.predictions.ROW_SOURCE_FEATURES] * rows
        expect_equal(list(by_features.sources), sources, "sources")
        return f"{rows} rows of {width} features"

    def a_chunk_sent_again_is_all_duplicates(self):
        customer, order = f"check-{uuid.uuid4()}", f"check-{uuid.uuid4()}"
        occurred_at = timestamp_pb2.Timestamp()
        occurred_at.FromJsonString("2011-06-01T12:00:00Z")

        def line(**fields):
            values = {
                "customer_id": customer,
                "order_id": order,
                "occurred_at": occurred_at,
                "product_id": "85123A",
                "quantity_thousandths": 6_000,
                "unit_price_micros": 2_550_000,
            }
            return self.common.TransactionLine(**{**values, **fields})

        def send(chunk_id, lines):
            chunk = self.transactions.IngestTransactionsRequest(chunk_id=chunk_id, lines=lines)
            call = self.transaction_service.IngestTransactions
            answers = list(call(iter([chunk]), timeout=TIMEOUT))
            expect_equal([answer.chunk_id for answer in answers], [chunk_id], "chunk ids")
            answer = answers[0]
            return answer.accepted, answer.duplicates, answer.corrected, answer.refused, answer

        # Two numbered lines and two equal ones without a number, which both count.
        lines = [line(line_number=1), line(line_number=2, product_id="71053"), line(), line()]
        expect_equal(send("first", lines)[:4], (4, 0, 0, 0), "first time")
        expect_equal(send("again", lines)[:4], (0, 4, 0, 0), "second time")
        *counts, answer = send("refused", [line(line_number=3, quantity_thousandths=0)])
        expect_equal(counts, [0, 0, 0, 1], "a line of nothing")
        found = [(refused.row, refused.field) for refused in answer.refusals]
        expect_equal(found, [(0, "quantity")], "refusals")
        stored = self.transaction_service.GetCustomer(
            self.transactions.GetCustomerRequest(customer_id=customer), timeout=TIMEOUT
        )
        totals = (stored.line_count, stored.visits, stored.spend_micros)
        expect_equal(totals, (4, 1, 61_200_000), "lines, visits and spend stored")
        erase = self.transactions.EraseCustomerRequest(
            customer_id=customer, request_id=str(uuid.uuid4())
        )
        for _ in range(2):
            # The request id makes the second call answer as the first.
            erased = self.transaction_service.EraseCustomer(erase, timeout=TIMEOUT)
            expect_equal(erased.lines_erased, 4, "lines erased")
        gone = self.transactions.GetCustomerRequest(customer_id=customer)
        refusal(self.transaction_service.GetCustomer, gone, grpc.StatusCode.NOT_FOUND)
        return "4 lines stored once, then erased"

    def health_is_serving(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for service in ["", *SERVICES]:
            request = health_pb2.HealthCheckRequest(service=service)
            answer = health.Check(request, timeout=TIMEOUT)
            expect_equal(answer.status, health_pb2.HealthCheckResponse.SERVING, service)
        return f"the server and {len(SERVICES)} services"

    def reflection_describes_the_services(self):
        # Version 1 has the messages of 1alpha under another service name.
        call = self.channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(iter(call(iter([request]), timeout=TIMEOUT)))
        listed = {service.name for service in answer.list_services_response.service}
        for service in SERVICES:
            expect(service in listed, f"{service} is not listed by reflection v1")
        database = ProtoReflectionDescriptorDatabase(self.channel)
        pool = descriptor_pool.DescriptorPool(database)
        methods = 0
        for service in SERVICES:
            expect(service in database.get_services(), f"{service} is not listed by v1alpha")
            methods += len(pool.FindServiceByName(service).methods)
        return f"{methods} methods"

    def run(self):
        checks = [
            self.models_are_listed,
            self.churn_answers_unknown_customers_with_the_prior,
            self.segments_are_assigned,
            self.propensity_is_predicted,
            self.forecast_intervals_are_nested,
            self.a_feature_block_of_another_width_is_refused,
            self.an_unknown_customer_is_not_found,
            self.features_sent_back_give_the_same_answer,
            self.a_chunk_sent_again_is_all_duplicates,
            self.health_is_serving,
            self.reflection_describes_the_services,
        ]
        for check in checks:
            name = check.__name__.replace("_", " ")
            try:
                print(f"ok    {name}: {check()}", flush=True)
            except Failed as failure:
                sys.exit(f"FAIL  {name}: {failure}")
            except grpc.RpcError as error:
                sys.exit(f"FAIL  {name}: {error.code()} {error.details()}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", default="127.0.0.1:50051", help="host:port of the server")
    parser.add_argument("--proto", type=pathlib.Path, default=PROTO, help="folder of the protos")
    parser.add_argument(
        "--customers",
        default="17850,13047,12583",
        help="keys of customers with history, separated by commas (default: of Online Retail)",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as out:
        generate(arguments.proto, out)
        with grpc.insecure_channel(arguments.endpoint) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=TIMEOUT)
            except grpc.FutureTimeoutError:
                sys.exit(f"FAIL  no server at {arguments.endpoint}")
            Checks(channel, arguments.customers.split(",")).run()


if __name__ == "__main__":
    main()
