"""How a predictor of AI Platform's interface is loaded and asked."""

from __future__ import annotations

from pathlib import Path

from tests.serving.server import served

AI_PLATFORM = """
class P:
    def __init__(self, factor):
        self.factor = factor

    @classmethod
    def from_path(cls, model_dir):
        return cls(int((pathlib.Path(model_dir) / "factor").read_text()))

    def predict(self, instances, *, plus=0):
        return np.array([self.factor * one + plus for one in instances])
"""


def test_an_ai_platform_predictor_runs_unchanged(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "factor").write_text("3")
    with served(tmp_path, AI_PLATFORM) as server:
        assert server.log(message="ready", interface="ai-platform")
        assert server.predictions(1, 2) == [3, 6]
        assert server.predictions(1, 2, parameters={"plus": 1}) == [4, 7]
        assert server.predictions() == []
        refused = server.predict(1, parameters={"minus": 1})
        assert refused.status == 400
        assert "minus" in refused.error["message"]
        assert server.post(b"x", "image/png").status == 415
        failed = server.predict([1], "a", {})
        assert failed.status == 500
        assert failed.error["message"].startswith("predict raised TypeError")
