"""Which files of the artifacts no code names: decided only where the name of every file that is read is known."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seatrial.facts.file_uses import is_reader
from seatrial.facts.python.paths import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.sources import Sources

# What chooses files by itself, or takes a whole folder.
_CHOOSES = {
    "iterdir", "glob", "iglob", "rglob", "listdir", "scandir", "walk", "from_pretrained", "load_model",
    "download_model_artifacts", "pipeline", "import_module", "snapshot_download",
}  # fmt: skip
# Results that are what a file holds, not its path.
_CONTENT = (".read_text()", ".read_bytes()", ".read()", "open()", ".__enter__()", "BytesIO()", "StringIO()")


def unread(sources: Sources, paths: Iterable[str]) -> frozenset[str]:
    """Return those of the paths that no code names, if it names others; nothing if any read cannot be followed."""
    files = frozenset(paths)
    named = _named(sources) if len(files) > 1 else None  # of one file alone nothing is said
    if named is None:
        return frozenset()
    known = {path for path in files if PurePosixPath(path).name in named}
    return files - known if known else frozenset()


def _named(sources: Sources) -> set[str] | None:
    """Return the names of all files that the code that serves writes out; None if it reads one by an unknown name."""
    found = {PurePosixPath(text).name for text in _texts(sources)}
    for _, call in sources.calls():
        if call.method in _CHOOSES:
            return None
        if call.on is not None:
            read: Value | None = None
            name = call.on.parts[-1] if call.on.parts else UNKNOWN
        else:
            read = _read(call, sources)
            if read is None or read.name.endswith(_CONTENT):
                continue
            path = sources.path(read.path) if read.path else None
            name = (
                read.constant if isinstance(read.constant, str) else path.parts[-1] if path and path.parts else UNKNOWN
            )
        if UNKNOWN in name or "*" in name:
            return None
        found.add(PurePosixPath(name).name)
    return found


def _read(call: Call, sources: Sources) -> Value | None:
    """Return what a call that reads a file gets as its path."""
    if not is_reader(call, sources) or call.method in ("load_state_dict", "loads"):
        return None
    return next(iter((*call.arguments, *call.keywords.values())), None)


def _texts(sources: Sources) -> Iterator[str]:
    """Yield the texts that name something: constants of modules, arguments of calls, parts of paths."""
    for module in sources.serving_modules():
        for value in module.uses.values.values():
            yield from _texts_of(value)
    for _, call in sources.calls():
        yield from call.on.parts if call.on else ()
        for value in (*call.arguments, *call.keywords.values()):
            yield from _texts_of(value)


def _texts_of(value: Value) -> Iterator[str]:
    if isinstance(value.constant, str):
        yield value.constant
    yield from value.path.parts if value.path else ()
    for item in value.items or ():
        yield from _texts_of(item)
