"""Whose code it is: the frame that asked, the distribution that should have answered, and how both are called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from seatrial.diagnosis.raised import Owner
from seatrial.facts.tables import distributions_of, is_known

if TYPE_CHECKING:
    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Frame, Raised

# Functions that restore a pickle, or read one: an import or a name below one of them is asked by the file.
_UNPICKLING = re.compile(
    r"\b(?:find_class|_?load_reduce|_?load_build|_?legacy_load|_load|load_global|load_stack_global|unpickle|"
    r"numpy_unpickler)\b"
)
_PICKLE_FILES = re.compile(r"(?:^|/)(?:pickle|_weights_only_unpickler|numpy_pickle\w*|cloudpickle|dill/_dill)\.py$")
_PICKLE_SOURCE = re.compile(r"\b(?:c?[pP]ickle|dill|cloudpickle|joblib|torch)\.loads?\(|\bUnpickler\(|\bload_learner\(")
INSTALLED = re.compile(r"(?:site|dist)-packages|/lib(?:64)?/python\d")
_REST = 3000  # characters after the name of an exception
_IMPORTED = re.compile(r"^(?:from|import)\s+(?P<module>\w[\w.]*)")


@dataclass(frozen=True, slots=True)
class Part:
    """A distribution: its name, and the version that is locked; "" if that is not known."""

    name: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}" if self.version else self.name

    @property
    def known(self) -> str:
        """How a sentence calls it: with its version, or as the one that is installed."""
        return str(self) if self.version else f"the installed {self.name}"


def asker(raised: Raised) -> Frame | None:
    """Return the frame whose code asked for what is missing: the innermost that is not Python's own."""
    return raised.blamed


def is_projects(frame: Frame | None) -> bool:
    """Return whether a frame is the user's; without a project that is any file that is nobody else's."""
    return frame is not None and frame.owner in (Owner.PROJECT, Owner.UNKNOWN) and not frame.file.startswith("<")


def part_of(frame: Frame | None) -> Part | None:
    """Return the distribution that a frame is of; None if it is of none."""
    if frame is None or frame.owner is not Owner.DISTRIBUTION:
        return None
    name = frame.distribution or frame.module.partition(".")[0]
    return Part(name, frame.version) if name else None


def asking_part(raised: Raised, name: str, case: Case) -> Part | None:
    """Return the distribution whose code asks for a name; None if it is the project's code, or nobody's known.

    A line of the project that does not have the name did not ask for it: what it imports did, and the log lacks the
    frames between.
    """
    frame = _through_getattr(raised) or asker(raised)
    if frame is None or not is_projects(frame) or not frame.source or name in frame.source:
        return part_of(frame)
    imported = _IMPORTED.search(frame.source)
    return provider(imported["module"], case) if imported and not is_own(imported["module"], raised, case) else None


def _through_getattr(raised: Raised) -> Frame | None:
    """Return the frame that asked a module for a name, if the module answered by its own `__getattr__`."""
    frames = [frame for frame in raised.frames if frame.owner is not Owner.PYTHON]
    if len(frames) < 2 or frames[-1].function != "__getattr__" or not frames[-1].file.endswith("__init__.py"):
        return None
    return frames[-2]


def said(raised: Raised, case: Case) -> str:
    """Return what an exception says, with the lines after it that may be the rest of its message."""
    rest = case.text[raised.position : raised.position + _REST]
    end = re.search(r"\n\s*(?:Traceback \(most|The above exception|During handling)", rest)
    return f"{raised.message}\n{rest[: end.start()] if end else rest}"


def users_frame(raised: Raised) -> Frame | None:
    """Return the user's innermost frame, also where no project tells which files are the user's."""
    found = raised.users
    if found is not None:
        return found
    return next((f for each in raised.chain() for f in reversed(each.frames) if is_projects(f)), None)


def provider(module: str, case: Case) -> Part:
    """Return the distribution that has a module: a locked one if one of that name is locked, else the usual one."""
    names = (*distributions_of(module), str(canonicalize_name(module.partition(".")[0])))
    for name in names:
        if version := case.locked(name):
            return Part(name, version)
    return Part(names[0])


def is_sure(module: str, case: Case) -> bool:
    """Return whether the distribution of a module is known, and not only guessed by its name."""
    return is_known(module) or bool(provider(module, case).version)


def top(module: str) -> str:
    """Return the first part of a dotted name."""
    return module.partition(".")[0]


def is_unpickling(raised: Raised) -> bool:
    """Return whether an exception was raised while a pickle was read: then the file asked, and no line of code."""
    for frame in raised.frames[-6:]:
        of_library = frame.owner not in (Owner.PROJECT, Owner.SERVER)
        if _PICKLE_FILES.search(frame.file) or (of_library and _UNPICKLING.fullmatch(frame.function)):
            return True
    last = raised.raiser
    return last is not None and bool(_PICKLE_SOURCE.search(last.source))


def is_own(module: str, raised: Raised, case: Case) -> bool:
    """Return whether a module is, or should be, one of the project's own.

    Without a project, it is if a file of the user's in the traceback lies in a folder of the module's first name.
    """
    if case.facts is not None:
        from seatrial.rules.imports import is_own as is_own_of_project

        return is_own_of_project(module, case.facts)
    first = top(module)
    return any(
        first in frame.file.replace("\\", "/").split("/")[:-1]
        for each in raised.chain()
        for frame in each.frames
        if is_projects(frame)
    )


def fit_together(needs: Part, has: Part) -> str:
    """Return how two distributions that do not fit each other are made to."""
    return (
        f"upgrade {needs.name} to a release that works with {has}, or pin in requirements.in an older {has.name} that "
        f"{needs} was made for; then run `seatrial lock`"
    )
