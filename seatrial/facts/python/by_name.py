"""Calls and reads of a project, found by name: many rules look for few names among tens of thousands of places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from seatrial.facts.python.calls import Call, Read, method_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from seatrial.facts.python.module import Module

Use = TypeVar("Use", Call, Read)


class ByName(Generic[Use]):
    """Places with the modules that they are in, by file and line.

    What is found by name comes in that order too.
    """

    def __init__(self, places: Sequence[tuple[Module, Use]]) -> None:
        self._places: Sequence[tuple[Module, Use]] = places
        self._numbers: dict[str, list[int]] = {}
        self._methods: dict[str, list[str]] = {}
        for number, (_, use) in enumerate(places):
            self._numbers.setdefault(use.name, []).append(number)
        for name in self._numbers:
            self._methods.setdefault(method_of(name), []).append(name)

    def __iter__(self) -> Iterator[tuple[Module, Use]]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    @property
    def names(self) -> Iterator[str]:
        """The names of all places, each once."""
        return iter(self._numbers)

    def of(self, *names: str) -> list[tuple[Module, Use]]:
        """Return the places of any of these names."""
        numbers = [self._numbers[name] for name in dict.fromkeys(names) if name in self._numbers]
        return [self._places[number] for number in sorted(number for each in numbers for number in each)]

    def of_methods(self, *methods: str) -> list[tuple[Module, Use]]:
        """Return the places whose names end with any of these."""
        return self.of(*(name for method in methods for name in self._methods.get(method, ())))

    def where(self, test: Callable[[str], object]) -> list[tuple[Module, Use]]:
        """Return the places whose name passes a test, which is asked once for each name."""
        return self.of(*filter(test, self._numbers))
