"""MLServer with its scikit-learn runtime: writes its settings and becomes its server.

`parallel_workers` is 0, the model in the process that answers, and its log is off: the default, a worker
of its own, was measured at half the rate.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import joblib

from model import Coefficients, arguments

args = arguments(__doc__)
args.place.mkdir(parents=True, exist_ok=True)
joblib.dump(Coefficients.read(args.model).estimator(), args.place / "model.joblib")
settings = {
    "host": "127.0.0.1",
    "grpc_port": args.port,
    "http_port": args.port + 1,
    "metrics_port": args.port + 2,
    "parallel_workers": 0,
    "debug": False,
    "use_structured_logging": False,
}
model = {"name": "peer", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "./model.joblib"}}
(args.place / "settings.json").write_text(json.dumps(settings))
(args.place / "model-settings.json").write_text(json.dumps(model))
os.execv(Path(sys.executable).with_name("mlserver"), ["mlserver", "start", str(args.place)])
