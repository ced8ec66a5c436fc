"""How a predictor of the batched interface that decodes its own instances is asked."""

from __future__ import annotations

from pathlib import Path

from tests.serving.server import served

DECODES = """
class P:
    def load(self, artifacts_uri): ...

    def decode(self, instance):
        return np.array(instance["values"], dtype=np.float64)

    def preprocess(self, values):
        return values * 2

    def predict(self, batch):
        return batch.sum(axis=1)
"""


def test_a_predictor_that_decodes_gets_its_own_instances(tmp_path: Path) -> None:
    with served(tmp_path, DECODES) as server:
        assert server.predictions({"values": [1, 2]}, {"values": [5]}) == [6, 10]
        refused = server.predict({"values": [1]}, {})
        assert (refused.status, refused.error["instance"]) == (400, 1)
        assert refused.error["message"] == "decode raised KeyError: 'values'"
        assert "Traceback" in server.log(severity="WARNING", phase="predict")[0]["traceback"]
        assert server.post(b"x", "image/png").status == 415
