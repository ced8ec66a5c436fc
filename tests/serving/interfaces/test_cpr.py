"""How a custom prediction routine of Vertex AI is loaded and asked."""

from __future__ import annotations

from pathlib import Path

from tests.serving.server import served

CPR = """
class P:
    def load(self, artifacts_uri):
        self.artifacts_uri = artifacts_uri

    def preprocess(self, prediction_input):
        return prediction_input

    def predict(self, instances):
        return instances

    def postprocess(self, prediction_results):
        first = prediction_results["instances"].pop(0)
        if first == "uri":
            return {"predictions": [self.artifacts_uri], "deployed": np.int64(1)}
        return {"list": [1], "empty": {}, "many": {"predictions": [1, 2]}}[first]
"""


def test_a_cpr_predictor_gets_the_body_and_answers_it_whole(tmp_path: Path) -> None:
    environ = {"AIP_STORAGE_URI": "gs://bucket/model"}
    with served(tmp_path, CPR, environ=environ) as server:
        assert server.log(message="ready", interface="cpr")
        assert server.predict("uri").json() == {"predictions": ["gs://bucket/model"], "deployed": 1}
        assert 'returned list; it must return a dict with "predictions"' in server.predict("list").error["message"]
        assert "a dict with the keys []" in server.predict("empty").error["message"]
        assert "2 predictions for 1 instances" in server.predict("many").error["message"]
