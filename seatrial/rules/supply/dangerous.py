"""Family 8, dangerous pickles: files of the artifacts that run code when they are loaded.

Decided from the names that a pickle imports. An attacker can choose names that are not in the list, so a file without
a finding is not proven safe.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.checkpoints.checkpoint import Checkpoint
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

RUNS_CODE = Rule(
    code="ST803",
    title="loading the file runs code",
    explanation=(
        "A pickle is a program: it can call anything that it can import. No checkpoint that torch.save writes of a "
        "model holds a name such as `os.system`, `builtins.eval` or `subprocess.Popen`. The call is made while the "
        "file is loaded, with the rights of the server's service account."
    ),
    fix="do not load the file anywhere; get the weights from their source again, as a state_dict or safetensors",
    cloud="nothing: the code runs, and the server goes on",
    sources=(
        "https://docs.python.org/3/library/pickle.html#module-pickle",
        "https://docs.pytorch.org/docs/stable/generated/torch.load.html",
        "https://github.com/trailofbits/fickling",
    ),
    detected=(
        "By the names that the pickles of the file import, by attributes that they fetch with getattr and call, and by "
        "names that they compute. getattr alone is a warning, because honest pickles use it for bound methods. The "
        "list has only known names: a file without a finding is not proven safe. TorchScript and archives of other "
        "kinds are not followed."
    ),
    bad="class Model:\n    def __reduce__(self):\n        return (os.system, (command,))",
    good="safetensors.torch.save_file(model.state_dict(), file)",
)

# Honest pickles use these too, as for a bound method; what matters is whether the result is called.
GETTERS = frozenset((("builtins", "getattr"), ("operator", "attrgetter"), ("operator", "methodcaller")))


@RUNS_CODE.decided_by
def _runs_code(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        certain = _certain(checkpoint)
        if certain:
            yield RUNS_CODE.finding(
                f"loading {checkpoint.path} runs code: it uses {certain[0]}",
                location=Location(checkpoint.path),
                subject=checkpoint.path,
                evidence=tuple(dict.fromkeys(certain)),
            )
        elif getters := [f"`{m}.{n}`" for m, n in checkpoint.globals if (m, n) in GETTERS]:
            yield RUNS_CODE.finding(
                f"loading {checkpoint.path} may run code: it uses {getters[0]}",
                severity=Severity.WARNING,
                location=Location(checkpoint.path),
                subject=checkpoint.path,
                cause="a pickled method looks the same; which object the attribute belongs to cannot always be seen",
            )


def _certain(checkpoint: Checkpoint) -> list[str]:
    named = [f"`{module}.{name}`" for module, name in checkpoint.globals if _is_dangerous(module, name)]
    called = [
        f"the attribute `{f.attribute}` that it fetches and calls"
        for f in checkpoint.fetched
        if (f.called and not (f.target and f.target.name[:1].isupper())) or f.attribute.startswith("__")
    ]
    return named + called + (["a name that it computes"] if checkpoint.computed else [])


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# No class or function of these modules belongs in a checkpoint.
MODULES = _words(
    "_aix_support _osx_support _posixsubprocess _pyrepl asyncio bdb cProfile code codeop commands ctypes ensurepip "
    "ftplib http httplib idlelib imaplib importlib lib2to3 nntplib pdb pip poplib profile pty pydoc requests runpy "
    "shutil signal smtplib socket socketserver subprocess telnetlib timeit trace urllib urllib2 venv webbrowser "
    "xmlrpc zipimport"
)
_OF_OS = _words(
    "abort chmod chown chroot dup2 execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg "
    "link makedirs mkdir open popen posix_spawn posix_spawnp putenv remove removedirs rename renames replace rmdir "
    "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe startfile symlink system truncate unlink "
    "unsetenv write"
)
NAMES = {
    **dict.fromkeys(("os", "posix", "nt"), _OF_OS),
    "builtins": _words("__import__ breakpoint compile delattr eval exec execfile globals input open setattr"),
    **dict.fromkeys(("io", "_io"), frozenset(("open", "open_code", "FileIO"))),
    "atexit": frozenset(("register",)),
    "codecs": frozenset(("open",)),
    "marshal": frozenset(("load", "loads")),
    "multiprocessing.process": frozenset(("Process", "BaseProcess")),
    "numpy.f2py.crackfortran": frozenset(("getlincoef", "myeval")),
    "numpy.testing._private.utils": frozenset(("runstring",)),
    **dict.fromkeys(("pickle", "_pickle"), frozenset(("load", "loads", "Unpickler"))),
    "platform": frozenset(("popen", "_syscmd_file")),
    "sys": frozenset(("exit", "settrace", "setprofile", "modules", "addaudithook", "path")),
    "tempfile": frozenset(("NamedTemporaryFile", "mkdtemp", "mkstemp")),
    "torch": frozenset(("load",)),
    "torch.hub": frozenset(("load", "load_state_dict_from_url", "download_url_to_file")),
    "torch.jit.unsupported_tensor_ops": frozenset(("execWrapper",)),
    "torch.serialization": frozenset(("load",)),
    "torch.utils.cpp_extension": frozenset(("load", "load_inline")),
}
HARMLESS_MODULES = frozenset(("asyncio.Future", "http.HTTPStatus", "http.HTTPMethod", "signal.Signals"))


def _is_dangerous(module: str, name: str) -> bool:
    if f"{module}.{name}" in HARMLESS_MODULES:
        return False
    parts = [*module.split("."), *name.split(".")]
    if parts[0] in MODULES or name in NAMES.get(module, ()):
        return True
    if "." not in name:
        return False
    # `torch`, `serialization.os.system`: an attribute of an attribute reaches modules that another imported
    within = name.split(".")
    return any(part.startswith("__") or part in MODULES for part in within) or any(
        inner in NAMES.get(outer, ()) for outer, inner in pairwise(parts)
    )
