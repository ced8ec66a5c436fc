"""What functions and classes can do, by the names that they call."""

from __future__ import annotations

import pytest

from tools.tables import powers, saved

SOURCE = b"""\
import os as _os
from importlib import import_module as load
from .other import helper

def direct(text): return eval(text)
def aliased(command): _os.system(command)
def named(name): return load(name)
def behind(text): return direct(text)
def elsewhere(): return helper()
def reads(path): return open(path)
def writes(path): return open(path, "w")
def harmless(value): return value + 1

class Base:
    def __init__(self, path): self._file = open(path, mode="wb")

class Derived(Base): ...

class Quiet:
    def __setstate__(self, state): self.__dict__.update(state)
    def run(self): _os.system("true")

class Loud:
    def __setstate__(self, state): exec(state)

class Choice(enum.Enum):
    A = 1

def _private(): ...
"""
CODE = powers.read(
    {"lib/__init__.py": SOURCE, "lib/other.py": b"import socket\ndef helper(): socket.create_connection(1)\n"}
)
ABLE = powers.powers(CODE)


@pytest.mark.parametrize(
    ("name", "power"),
    [
        ("direct", powers.CODE),
        ("aliased", powers.PROGRAM),
        ("named", powers.CODE),
        ("behind", powers.CODE),
        ("elsewhere", powers.NETWORK),
        ("reads", None),
        ("writes", powers.FILES),
        ("harmless", None),
        ("Base", powers.FILES),
        ("Derived", powers.FILES),
        ("Quiet", None),
        ("Quiet.run", powers.PROGRAM),
    ],
)
def test_a_function_can_do_what_it_calls_can_do(name: str, power: str | None) -> None:
    assert ABLE.get(f"lib.{name}") == power


def test_a_class_acts_when_it_is_unpickled_if_its_state_setter_does() -> None:
    assert powers.unpickled_powers(CODE, ABLE) == {"lib.Loud"}


def test_a_name_is_followed_through_imports() -> None:
    assert CODE.resolve("lib._os.system") == "os.system"
    assert CODE.resolve("lib.helper") == "lib.other.helper"


def test_the_table_holds_classes_that_do_nothing_and_calls_of_enums() -> None:
    held, called = saved.of_wheel(CODE)
    assert ("lib", "Quiet") in held
    assert {("lib", "Loud"), ("lib", "direct"), ("lib", "_private")}.isdisjoint(held)
    assert called == [("lib", "Choice")]
