"""One Python file as facts: what it imports, defines and uses, or why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from seatrial.facts.python.calls import Uses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.facts.python.versions import VersionTest
    from seatrial.findings import Location


@dataclass(frozen=True, slots=True)
class Import:
    """An import statement's one target.

    Attributes:
        module: the absolute dotted name that is imported, or that names are imported from.
        names: what `from module import …` takes, `*` included; empty for `import module`.
        location: the target in its line.
        optional: inside a try that catches ImportError, its handlers, or a branch on platform or version.
        typing_only: under TYPE_CHECKING or under `if __name__ == "__main__"`: not executed when served.
        lazy: inside a function.
        function: the qualified name of that function.
        guarded: whether it is inside an `if`.
        versions: the tests around it that look at what is installed.
    """

    module: str
    names: tuple[str, ...]
    location: Location
    optional: bool = False
    typing_only: bool = False
    lazy: bool = False
    function: str = ""
    guarded: bool = False
    versions: tuple[VersionTest, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether serving can execute it at all."""
        return not self.typing_only

    def candidates(self) -> tuple[str, ...]:
        """Return every dotted name that may be a module: `from a import b` may import `a.b`."""
        return (self.module, *(f"{self.module}.{name}" for name in self.names if name != "*"))


@dataclass(frozen=True, slots=True)
class Module:
    """One file.

    Attributes:
        name: its dotted name.
        path: relative to the project.
        is_package: whether it is an `__init__.py`.
        imports: in the order of lines.
        names: every name that it binds at its top level.
        definitions: its top-level classes and functions, with the location of their name.
        beyond: relative imports that leave its top-level package, with the module as written: `..training`.
        open: it may bind names that cannot be read (`from x import *`, `__getattr__`, `globals()`, exec).
        uses: its calls, and what it takes to follow them.
    """

    name: str
    path: str
    is_package: bool
    imports: tuple[Import, ...]
    names: frozenset[str]
    definitions: Mapping[str, Location]
    open: bool
    beyond: tuple[Import, ...] = ()
    uses: Uses = field(default_factory=Uses)


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """A file that the tool's own Python cannot parse: why, and where."""

    message: str
    location: Location
