"""BentoML with scikit-learn over HTTP: makes the service in its directory and becomes its server."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from model import arguments

SERVICE = '''
import bentoml
import numpy as np

from model import Coefficients
from pathlib import Path

@bentoml.service(workers=1)
class Scorer:
    def __init__(self) -> None:
        self.estimator = Coefficients.read(Path("{model}")).estimator()

    @bentoml.api
    async def predict(self, rows: list[list[float]]) -> list[float]:
        return self.estimator.predict_proba(np.array(rows, dtype=np.float32))[:, 1].tolist()
'''

args = arguments(__doc__)
args.place.mkdir(parents=True, exist_ok=True)
(args.place / "service.py").write_text(SERVICE.format(model=args.model))
shutil.copy(Path(__file__).with_name("model.py"), args.place / "model.py")
os.environ |= {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(args.place / "home")}
command = ["bentoml", "serve", "service:Scorer", "--host", "127.0.0.1", "--port", str(args.port)]
os.chdir(args.place)
os.execv(sys.executable, [sys.executable, "-m", *command])
