"""FastAPI with scikit-learn: JSON in, JSON out, one process of uvicorn, with its fast parser and loop."""

from __future__ import annotations

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

from model import Coefficients, arguments

args = arguments(__doc__)
estimator = Coefficients.read(args.model).estimator()
app = FastAPI()


class Rows(BaseModel):
    rows: list[list[float]]


class Probabilities(BaseModel):
    probabilities: list[float]


# On the event loop: `def` would take a thread per call and was measured slower.
@app.post("/predict")
async def predict(request: Rows) -> Probabilities:
    rows = np.array(request.rows, dtype=np.float32)
    return Probabilities(probabilities=estimator.predict_proba(rows)[:, 1].tolist())


uvicorn.run(app, host="127.0.0.1", port=args.port, access_log=False, log_level="warning")
