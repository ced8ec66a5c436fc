"""What the locks and requirements.in pin."""

from __future__ import annotations

from pathlib import Path

from seatrial.facts.gather import gather
from seatrial.rules.lock.pins import both, pins_of, place_of
from tests.small_project import locked, small_project

LOCKS = locked("torch==2.8.0", "torchvision==0.23.0")


def test_a_pair_that_both_locks_pin_is_one_pair(tmp_path: Path) -> None:
    cpu = str(LOCKS["requirements.txt"]).replace("2.8.0", "2.8.0+cpu")
    facts = gather(small_project(tmp_path, {**LOCKS, "requirements-cpu.txt": cpu}))
    assert [(str(one.version), str(other.version)) for one, other in both(facts, "torch", "torchvision")] == [
        ("2.8.0", "0.23.0")
    ]


def test_what_the_lock_does_not_pin_is_as_requirements_in_pins_it(tmp_path: Path) -> None:
    files = {**LOCKS, "requirements.txt": locked("torch==2.7.0")["requirements.txt"]}
    facts = gather(small_project(tmp_path, files))
    pins = {name: str(entry.version) for name, entry in pins_of(facts, facts.lock).items()}
    assert pins == {"torch": "2.7.0", "torchvision": "0.23.0"}


def test_the_place_to_change_is_in_requirements_in_where_that_pins_the_same(tmp_path: Path) -> None:
    same = gather(small_project(tmp_path / "same", LOCKS))
    open_ = gather(small_project(tmp_path / "open", {**LOCKS, "requirements.in": "torch\ntorchvision\n"}))
    places = [place_of(facts, pins_of(facts, facts.lock)["torchvision"]).path for facts in (same, open_)]
    assert places == ["requirements.in", "requirements.txt"]
