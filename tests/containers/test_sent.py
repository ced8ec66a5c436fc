"""How much of an image is uploaded, from lines that engines printed."""

from __future__ import annotations

import pytest

from seatrial.containers.sent import Sent

A, B, C = "53a815bf1397", "e00e4116635f", "1c17f87cc0cd"


def words(*lines: str) -> str:
    sent = Sent()
    for line in lines:
        sent.read(line)
    return sent.words()


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ([], ""),
        (["The push refers to repository [127.0.0.1:5555/big]"], ""),
        ([f"{A}: Preparing", f"{B}: Waiting"], "0 of 2 layers there"),
        (
            [f"{A}: Preparing", f"{B}: Waiting", f"{A}: Pushing  524.8kB/300MB"],
            "1 of 300 MB sent, 0 of 2 layers there, 1 not begun",
        ),
        (
            [f"{A}: Pushing [=> ]  150MB/300MB", f"{B}: Pushing    100MB", f"{C}: Layer already exists"],
            "250 of 400 MB sent (62%), 1 of 3 layers there",
        ),
        ([f"{A}: Pushing 1.5GB/5.8GB", f"{A}: Pushed"], "5.80 of 5.80 GB sent (100%), 1 of 1 layers there"),
        (
            [f"Copying blob {A} skipped: already exists", f"Copying blob {B} [===>---] 6.0MiB / 38.1MiB | 3.1 MiB/s"],
            "6 of 40 MB sent (16%), 1 of 2 layers there",
        ),
        (
            [f"Copying blob {B} [=>-] 1.0KiB / 3.5KiB", f"Copying blob {B} done"],
            "3.6 of 3.6 kB sent (100%), 1 of 1 layers there",
        ),
    ],
)  # fmt: skip
def test_it_is_told_in_bytes_and_in_percent_only_where_every_size_is_known(printed: list[str], said: str) -> None:
    assert words(*printed) == said


def test_lines_that_count_are_told_from_those_that_report() -> None:
    counters = [f"{A}: Pushing  524.8kB/300MB", f"Copying blob {A} [==>--] 6.0MiB / 38.1MiB", f"Copying blob {A} done"]
    assert all(map(Sent.is_counter, counters))
    assert not any(map(Sent.is_counter, [f"{A}: Pushed", f"{A}: Layer already exists", f"{A}: Retrying in 5 seconds"]))
