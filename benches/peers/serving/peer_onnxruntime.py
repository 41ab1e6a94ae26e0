"""onnxruntime behind grpc.aio: raw 32-bit floats in and out, without protobuf messages around them."""

from __future__ import annotations

import asyncio

import grpc
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from model import Coefficients, arguments


def session(coefficients: Coefficients) -> onnxruntime.InferenceSession:
    width = len(coefficients.slopes)
    slopes = np.array(coefficients.slopes, dtype=np.float32).reshape(width, 1)
    intercept = np.array([coefficients.intercept], dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["rows", "slopes", "intercept"], ["logits"]),
         helper.make_node("Sigmoid", ["logits"], ["probabilities"])],
        "logistic",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(slopes, "slopes"), numpy_helper.from_array(intercept, "intercept")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])


async def main() -> None:
    args = arguments(__doc__)
    coefficients = Coefficients.read(args.model)
    width = len(coefficients.slopes)
    scorer = session(coefficients)

    async def score(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        rows = np.frombuffer(request, dtype="<f4").reshape(-1, width)
        return scorer.run(None, {"rows": rows})[0].tobytes()

    server = grpc.aio.server()
    methods = {"Score": grpc.unary_unary_rpc_method_handler(score)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("peer.Scorer", methods)])
    server.add_insecure_port(f"127.0.0.1:{args.port}")
    await server.start()
    await server.wait_for_termination()


asyncio.run(main())
