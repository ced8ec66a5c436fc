"""`seatrial emulator`: what it refuses before it starts."""

from __future__ import annotations

import pytest

from seatrial.cli.main import main


@pytest.mark.parametrize("period", ["0", "-1", "inf", "nan", "soon"])
def test_probes_need_a_period(period: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["emulator", "--probe-period", period])
    assert ended.value.code == 2
    assert "--probe-period" in capsys.readouterr().err
