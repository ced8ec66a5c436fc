"""Family 6, compilers: code that compiles machine code while it serves, in an image without a compiler.

The trial sees it only where nothing is compiled for this machine, because the seal shows no compiler either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.findings import Finding, Location

_BASE = "or use a base image with g++ and name it in `smoke.image-has`"

NO_COMPILER = Rule(
    code="ST640",
    title="code is compiled while it serves, and the image has no compiler",
    explanation=(
        "torch.compile writes C++ for the processor, and for a GPU a small C module, when the model is called for the "
        "first time; torch.utils.cpp_extension.load does it at once. Both start g++ or gcc. A slim Python image has "
        "neither, and so has the image that `seatrial image build` makes. A training machine usually has both."
    ),
    fix=f"leave torch.compile out of serving, {_BASE}",
    severity=Severity.WARNING,
    cloud="torch._inductor.exc.InvalidCxxCompiler: No working C++ compiler found in …",
    sources=(
        "https://docs.pytorch.org/docs/stable/torch.compiler_faq.html",
        "https://docs.pytorch.org/docs/stable/cpp_extension.html",
    ),
    recognised=("Code of torch.compile, Triton or torch.utils.cpp_extension looked for a compiler."),
    detected=(
        "A call of torch.compile that serving can reach has no backend that does without a compiler, such as "
        "`eager`; nothing guards it, suppress_errors is not set, and no Dockerfile or setting says that the image has "
        "a compiler. The same for torch.utils.cpp_extension, and for Triton on a GPU."
    ),
    bad="self._model = torch.compile(model)",
    good='self._model = torch.compile(model) if os.environ.get("COMPILE") else model',
)

_COMPILE = "torch.compile"
_AT_ONCE = {
    "torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline", "torch._inductor.aot_compile",
    "torch._inductor.aoti_compile_and_package", "torch.export.aot_compile", "cffi.FFI().verify", "cffi.FFI().compile",
    "pyximport.install",
}  # fmt: skip
_TRITON = "triton.jit"
# Backends that generate no C++: torch.compiler.list_backends() and torch/_dynamo/backends/debugging.py
_WITHOUT = {"eager", "aot_eager", "aot_eager_decomp_partition", "eager_noexcept", "aot_ts", "ts", "cudagraphs"}
_COMPILERS = re.compile(
    r"(?:.*/)?(?:(?:x86_64-linux-gnu-)?(?:g\+\+|gcc|clang|c\+\+|cc)(?:-[\d.]+)?|build-essential|build-base|gcc-c\+\+"
    r"|g(?:cc|xx)_linux-64|c(?:xx)?-compiler|compilers)"
)
_HAS_NONE = re.compile(r"slim|alpine|distroless|runtime|ubi\d*-minimal|chainguard")


@NO_COMPILER.decided_by
def _no_compiler(facts: Facts) -> Iterator[Finding]:
    if _has_compiler(facts):
        return
    for what, location in _compiled(facts):
        yield NO_COMPILER.finding(
            f"`{what}` needs a C++ compiler when it serves, and the serving image has none",
            location=location,
            cause="it starts g++ or gcc as soon as it is called"
            if what in _AT_ONCE
            else "it starts g++ or gcc at the first request, which a try around it does not catch",
            fix=f"build it before, into the package or the image, {_BASE}" if what in _AT_ONCE else NO_COMPILER.fix,
        )


def _compiled(facts: Facts) -> Iterator[tuple[str, Location]]:
    """Yield what is compiled while serving, and where."""
    modules = facts.sources.serving_modules()
    if any("suppress_errors" in name for module in modules for name in module.uses.patched):
        return
    for _, call in facts.sources.calls().where(lambda name: name in _AT_ONCE or name.endswith("compile")):
        lazily = _compiles(call) and not _is_off(call, facts)
        if (lazily or (call.name in _AT_ONCE and not call.context.tried)) and not call.context.guards:
            yield call.name, call.location
    for module in modules:
        for qualname, function in module.uses.functions.items():
            if (module.name, qualname) in facts.sources.serving:
                names = {_COMPILE, *([_TRITON] if facts.project.vertex.device == "cuda" else [])}
                yield from ((name, function.location) for name in sorted(names.intersection(function.decorators)))


def _compiles(call: Call) -> bool:
    """Return whether a call is torch.compile, or `compile` of a module."""
    if call.name == _COMPILE:
        return True
    owner = call.receiver.removesuffix("()")
    return call.method == "compile" and owner.startswith(("torch.nn.", "torchvision.models."))


def _is_off(call: Call, facts: Facts) -> bool:
    """Return whether a call of torch.compile compiles nothing, or by unknown means."""
    backend, off = call.argument("backend"), call.argument("disable")
    if off is not None and not facts.sources.value(off).is_exactly(constant=False):
        return True
    if backend is None:
        return False
    chosen = facts.sources.value(backend).constant
    return not isinstance(chosen, str) or chosen in _WITHOUT


def _has_compiler(facts: Facts) -> bool:
    """Return whether the image may have a compiler, by the configuration or by a Dockerfile of the project."""
    base = facts.project.image.base
    if base and not _HAS_NONE.search(base):
        return True
    has = [*facts.project.smoke.image_has, *(p for file in facts.builds.files for p in file.packages)]
    return any(_COMPILERS.fullmatch(name) for name in has)
