"""The demo with its full lock through three versions: as it is, retrained, and broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.rehearsal import rehearsing
from tests.training import environment, train

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1500)]


def test_a_retrained_demo_takes_over_step_by_step_and_a_broken_one_is_refused(demo: Path, tmp_path: Path) -> None:
    with rehearsing(demo, tmp_path / "state", name="digits") as rehearsal:
        first = rehearsal.deploy()
        assert (first.code, first.status) == (0, "deployed"), first.shown
        assert "local rehearsal, nothing created on Google Cloud" in first.shown
        [one] = rehearsal.state.deployed
        assert rehearsal.deploy().status == "unchanged"

        weights = (demo / "artifacts/weights.pt").read_bytes()
        train(environment(tmp_path / "environment"), demo, seed=1)
        assert (demo / "artifacts/weights.pt").read_bytes() != weights
        second = rehearsal.deploy()
        assert (second.code, second.status) == (0, "deployed"), second.shown
        shares = [gate["percent"] for gate in second.report["gates"]]
        assert shares[0] < 100
        assert shares == sorted(shares)
        after = rehearsal.state
        [two] = after.deployed
        assert two != one
        assert after.split == {two: 100}
        assert "default" in after.versions["2"]
        assert "default" not in after.versions["1"]

        # What only the cloud sets is what breaks the third: the trial cannot see it.
        file = demo / "predictor/digit_predictor.py"
        load = "        artifacts = Path(artifacts_uri)\n"
        text = file.read_text()
        assert load in text
        condition = (
            "        if os.environ['AIP_ENDPOINT_ID'] != '1':\n            raise ValueError('no such endpoint')\n"
        )
        broken = f"        import os\n{condition}{load}"
        file.write_text(text.replace(load, broken))
        third = rehearsal.deploy()
        assert (third.code, third.status) == (1, "failed"), third.shown
        assert "no such endpoint" in third.shown
        assert "predictor/digit_predictor.py:" in third.shown
        refused = rehearsal.state
        assert (refused.split, refused.deployed, refused.record) == (after.split, after.deployed, None)
        assert refused.versions["2"] == after.versions["2"]
