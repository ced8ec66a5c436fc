"""What `predictor` in [tool.seatrial] names: a class with its methods, a function, or an application of a framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.python.calls import Function
    from seatrial.facts.python.module import Module
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Location
    from seatrial.project import Project

_MOST_BASES = 32
# Bases that give a class none of the methods of a predictor.
_PLAIN = ("builtins.object", "abc.ABC", "typing.", "typing_extensions.", "torch.nn.", "enum.", "collections.abc.")
# Modules of classes for servers other than this tool's, which the image of such a server brings: module → server.
SERVERS = {
    "ts": "TorchServe",  # https://docs.pytorch.org/serve/custom_service.html
    "cog": "Cog",  # https://github.com/replicate/cog/blob/main/docs/python.md
    "triton_python_backend_utils": "Triton",  # https://github.com/triton-inference-server/python_backend
}
# Classes whose objects are applications of a web framework.
APPLICATIONS = {
    "fastapi.FastAPI()": "FastAPI",
    "fastapi.applications.FastAPI()": "FastAPI",
    "flask.Flask()": "Flask",
    "flask.app.Flask()": "Flask",
    "starlette.applications.Starlette()": "Starlette",
    "quart.Quart()": "Quart",
    "sanic.Sanic()": "Sanic",
    "litestar.Litestar()": "Litestar",
    "bottle.Bottle()": "Bottle",
    "tornado.web.Application()": "Tornado",
    "aiohttp.web.Application()": "aiohttp",
    "falcon.App()": "Falcon",
    "falcon.asgi.App()": "Falcon",
    "robyn.Robyn()": "Robyn",
    "litserve.LitServer()": "LitServe",
}


class Kind(StrEnum):
    """What the setting names."""

    CLASS = "a class"
    FUNCTION = "a function"
    APPLICATION = "an application"
    HANDLER = "a handler"  # a class that another server calls, and that has no load()
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Predictor:
    """What `predictor` names.

    Attributes:
        kind: what it is.
        name: its own name.
        location: where it is defined; None if unknown.
        server: for an application its framework, for a handler its server.
        methods: of a class, those that it or its bases in the project define: name → function.
        members: of a class, everything else that its body or theirs binds.
        is_open: whether a class may have methods that cannot be read here.
        is_network: whether a class derives from torch.nn.Module.
        of_sdk: whether a class derives from the predictor of Google's SDK.
    """

    kind: Kind
    name: str = ""
    location: Location | None = None
    server: str = ""
    methods: Mapping[str, Function] = field(default_factory=dict)
    members: frozenset[str] = frozenset()
    is_open: bool = False
    is_network: bool = False
    of_sdk: bool = False

    def has(self, method: str) -> bool | None:
        """Return whether a class has a method; None if unknown."""
        return True if method in self.methods else None if self.is_open or method in self.members else False


def read_predictor(project: Project, sources: Sources) -> Predictor:
    """Follow the setting to what it names."""
    module, name = project.predictor_module, project.predictor_class
    target = sources.follow(f"{module}.{name}")
    if server := APPLICATIONS.get(target):
        home = sources.modules.get(module)
        return Predictor(Kind.APPLICATION, name, home.definitions.get(name) if home else None, server)
    home, qualname = _split(target, sources)
    if home is None:
        return Predictor(Kind.UNKNOWN, name)
    location = home.definitions.get(qualname)
    if qualname in home.uses.functions:
        return Predictor(Kind.FUNCTION, qualname, location)
    if qualname not in home.uses.classes:
        return Predictor(Kind.UNKNOWN, qualname, location)
    return _class(home, qualname, location, sources)


def _class(home: Module, qualname: str, location: Location | None, sources: Sources) -> Predictor:
    methods: dict[str, Function] = {}
    members: set[str] = set()
    is_open = of_sdk = is_network = False
    server = ""
    for module, name, base in _bases(home, qualname, sources):
        if module is None:
            server = server or SERVERS.get(base.partition(".")[0], "")
            of_sdk = of_sdk or (base.startswith("google.cloud.aiplatform.") and base.endswith(".Predictor"))
            is_network = is_network or base.startswith("torch.nn.")
            is_open = is_open or not (base.startswith(_PLAIN) or of_sdk)
            continue
        functions = {q.rpartition(".")[2]: f for q, f in module.uses.functions.items() if q.rpartition(".")[0] == name}
        methods = {**functions, **methods}
        members |= module.uses.members.get(name, frozenset()) - functions.keys()
        is_open = is_open or "__getattr__" in functions
    return Predictor(
        Kind.HANDLER if server and "load" not in methods else Kind.CLASS,
        qualname,
        location,
        server,
        methods,
        frozenset(members - methods.keys()),
        is_open,
        is_network,
        of_sdk,
    )


def _bases(home: Module, qualname: str, sources: Sources) -> Iterator[tuple[Module | None, str, str]]:
    """Yield a class and its bases, nearest first: (module, qualified name, name); no module if not the project's."""
    pending: list[tuple[Module | None, str, str]] = [(home, qualname, f"{home.name}.{qualname}")]
    seen: set[str] = set()
    while pending and len(seen) < _MOST_BASES:
        module, name, full = pending.pop(0)
        if full in seen:
            continue
        seen.add(full)
        yield module, name, full
        for base in module.uses.classes[name] if module else ():
            followed = sources.follow(base.removesuffix("[]"))
            inner, inside = _split(followed, sources)
            is_class = inner is not None and inside in inner.uses.classes
            pending.append((inner if is_class else None, inside, followed))


def _split(name: str, sources: Sources) -> tuple[Module | None, str]:
    """Split a resolved name into the project's module and the name in it."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = sources.modules.get(".".join(parts[:length]))
        if module is not None:
            return module, ".".join(parts[length:])
    return None, name
