"""Where a name in a pickle comes from, which decides whether loading it is known to be harmless.

A name is accepted if the weights-only loader of torch accepts it, if the objects of a locked distribution hold it, if
the package that ships defines it, or if it is one of Python's plain values. No other name is.
"""

from __future__ import annotations

import builtins
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.classes import is_allowed
from seatrial.facts.packages.requirements import marker_environment
from seatrial.facts.powers import followed, is_saved, module_behind, power_of
from seatrial.facts.tables import distributions_of
from seatrial.rules.artifacts.pickled import pinned

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.facts.checkpoints.pickles import Name
    from seatrial.facts.gather import Facts

CODE, PROGRAM, NETWORK, FILES, END = (
    "runs code",
    "starts a program",
    "connects",
    "writes files",
    "ends or stops the process",
)
OLDEST_KNOWN = Version("2.6.0")  # of the table of what torch.load accepts


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Python's own values, and the functions that put them and other objects together again. None of them runs what it gets.
PLAIN: Mapping[str, frozenset[str]] = {
    "_codecs": _words("encode"),
    "argparse": _words("Namespace"),
    "array": _words("array _array_reconstructor"),
    "builtins": _words(
        "Ellipsis NotImplemented bool bytearray bytes complex dict float frozenset int list object range set slice str "
        "tuple"
    )
    | {name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)},
    "collections": _words("ChainMap Counter OrderedDict UserDict UserList UserString defaultdict deque"),
    "copyreg": _words("__newobj__ __newobj_ex__ _reconstructor"),
    "datetime": _words("date datetime time timedelta timezone"),
    "decimal": _words("Decimal"),
    "fractions": _words("Fraction"),
    "functools": _words("partial"),
    "inspect": _words("Parameter Signature _ParameterKind"),
    "ipaddress": _words("IPv4Address IPv4Network IPv6Address IPv6Network"),
    "itertools": _words("chain count cycle repeat"),
    "logging": _words("getLogger"),
    "operator": _words("itemgetter"),
    **dict.fromkeys(
        ("pathlib", "pathlib._local"), _words("Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath")
    ),
    "random": _words("Random"),
    "re": _words("_compile"),
    "string": _words("Template"),
    "time": _words("struct_time"),
    "torch.storage": _words("_load_from_bytes"),  # the bytes that it gets are read as a file of their own
    "types": _words("NoneType SimpleNamespace"),
    "uuid": _words("SafeUUID UUID"),
    "zoneinfo": _words("ZoneInfo ZoneInfo._unpickle"),
}
# Python's own functions that an object may hold, as a key or an activation, and that no pickle of a library calls.
HELD = _words("abs all any divmod enumerate isinstance len max min pow repr reversed round sorted sum type zip")

# Modules of which no class or function belongs in a checkpoint, whatever its name.
MODULES: Mapping[str, str] = {
    **dict.fromkeys(
        _words(
            "_pyrepl bdb cProfile code codeop cffi cloudpickle commands ctypes dill doctest ensurepip idlelib "
            "importlib ipykernel IPython lib2to3 marshal pdb pip pkg_resources pkgutil profile pydoc runpy setuptools "
            "test timeit trace unittest venv zipimport"
        ),
        CODE,
    ),
    **dict.fromkeys(_words("_posixsubprocess asyncio concurrent multiprocessing pexpect pty subprocess"), PROGRAM),
    **dict.fromkeys(
        _words(
            "_socket _ssl aiohttp ftplib http httplib httpx imaplib nntplib paramiko poplib requests smtplib socket "
            "socketserver ssl telnetlib urllib urllib2 urllib3 webbrowser wsgiref xmlrpc"
        ),
        NETWORK,
    ),
    **dict.fromkeys(_words("_aix_support _osx_support dbm fileinput mailbox shelve shutil sqlite3"), FILES),
    **dict.fromkeys(_words("faulthandler signal"), END),
    **dict.fromkeys(_words("torch.hub torch.package torch.utils.cpp_extension logging.config"), CODE),
    **dict.fromkeys(_words("torch.multiprocessing PIL.ImageShow"), PROGRAM),
    **dict.fromkeys(_words("torch.distributed.rpc torch.utils.model_zoo torchvision.datasets"), NETWORK),
    **dict.fromkeys(_words("torch.utils.tensorboard logging.handlers"), FILES),
}
_OF_OS: Mapping[str, str] = {
    **dict.fromkeys(
        _words(
            "execl execle execlp execlpe execv execve execvp execvpe fork forkpty popen posix_spawn posix_spawnp "
            "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe startfile system"
        ),
        PROGRAM,
    ),
    **dict.fromkeys(
        _words(
            "chdir chmod chown chroot dup2 environ fchmod fchown link makedirs mkdir mkfifo mknod open putenv remove "
            "removedirs rename renames replace rmdir sendfile symlink truncate unlink unsetenv write writev"
        ),
        FILES,
    ),
    **dict.fromkeys(_words("_exit abort close closerange kill killpg"), END),
}
NAMES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("os", "posix", "nt"), _OF_OS),
    "builtins": {
        **dict.fromkeys(
            _words(
                "__import__ breakpoint compile delattr eval exec execfile globals locals setattr vars __build_class__"
            ),
            CODE,
        ),
        **dict.fromkeys(_words("input open"), FILES),
        **dict.fromkeys(_words("exit quit"), END),
    },
    "io": dict.fromkeys(_words("open open_code FileIO"), FILES),
    "_io": dict.fromkeys(_words("open open_code FileIO"), FILES),
    "atexit": {"register": CODE},
    "codecs": {"open": FILES, "register": CODE},
    "copyreg": dict.fromkeys(_words("add_extension pickle"), CODE),
    "gc": dict.fromkeys(_words("get_objects get_referrers get_referents"), CODE),
    "pickle": dict.fromkeys(_words("load loads Unpickler _loads _load"), CODE),
    "_pickle": dict.fromkeys(_words("load loads Unpickler"), CODE),
    "sys": {**dict.fromkeys(_words("settrace setprofile modules addaudithook path _getframe"), CODE), "exit": END},
    "threading": dict.fromkeys(_words("Thread Timer settrace setprofile"), CODE),
    "time": {"sleep": END},
    "types": dict.fromkeys(_words("CodeType FunctionType LambdaType coroutine"), CODE),
    "weakref": {"finalize": CODE},
    "joblib": {"load": CODE},
    "numpy": {
        **dict.fromkeys(_words("load loads fromfile"), CODE),
        **dict.fromkeys(_words("memmap save savez savetxt savez_compressed DataSource"), FILES),
    },
    "numpy._core.memmap": {"memmap": FILES},
    "numpy.core.memmap": {"memmap": FILES},
    "pandas": {"read_pickle": CODE, "eval": CODE},
    "sympy": dict.fromkeys(_words("sympify S parse_expr lambdify"), CODE),
    "torch": {"load": CODE, "save": FILES},
    "torch.jit": {"load": CODE, "save": FILES},
    "torch.jit._serialization": {"load": CODE, "save": FILES},
    "torchvision.io": dict.fromkeys(_words("write_file write_jpeg write_png write_video"), FILES),
    "yaml": dict.fromkeys(_words("load load_all unsafe_load unsafe_load_all full_load"), CODE),
}
NOT_DANGEROUS = _words("asyncio.Future http.HTTPStatus http.HTTPMethod signal.Signals")  # plain values


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a name: whether it is accepted, and else what it can do ("" if that is not known)."""

    accepted: bool
    power: str = ""


def judge(name: Name, facts: Facts, *, called: bool) -> Verdict:
    """Judge a name in a pickle, and whether it may be called."""
    module, own = name
    if is_plain(module, own, called=called) or _is_own(module, own, facts) or _is_of_torch(module, own, facts):
        return Verdict(accepted=True)
    if _is_of_lock(module, own, facts, called=called):
        return Verdict(accepted=True)
    return Verdict(accepted=False, power=danger(module, own))


def is_plain(module: str, name: str, *, called: bool) -> bool:
    """Return whether a name is one of Python's plain values."""
    return name in PLAIN.get(module, ()) or (module == "builtins" and not called and name in HELD)


def danger(module: str, name: str) -> str:
    """Return what a name is known to do; "" if nothing is known."""
    if f"{module}.{name}" in NOT_DANGEROUS:
        return ""
    if behind := module_behind(module, name):
        return _of_module(behind) or (CODE if behind in NAMES else "")
    module, name = followed(module, name)
    known = _of_module(module) or NAMES.get(module, {}).get(name) or power_of(module, name)
    return known or _within(module, name)


def _of_module(module: str) -> str:
    """Return what a module is for, by its own name or that of a package around it."""
    return next(
        (MODULES[name] for n in range(module.count(".") + 1) if (name := module.rsplit(".", n)[0]) in MODULES), ""
    )


def _within(module: str, name: str) -> str:
    """Judge a name with dots: an attribute of an attribute reaches modules that another module imported."""
    inner = [part.lstrip("_") or part for part in name.split(".")]
    if len(inner) == 1:
        return CODE if name.startswith("__") and name.endswith("__") else ""
    if any(part.startswith("__") for part in name.split(".")):
        return CODE
    for part in inner[:-1]:
        if part in MODULES:
            return MODULES[part]
    for outer, last in pairwise([module.rpartition(".")[2], *inner]):
        if power := NAMES.get(outer, {}).get(last) or power_of(outer, last):
            return power
    return ""


def _is_own(module: str, name: str, facts: Facts) -> bool:
    """Return whether the package that ships defines a class or function of this name in this module."""
    shipped = facts.sources.modules.get(module)
    if shipped is None or module.partition(".")[0] in sys.stdlib_module_names:
        return False
    return name.partition(".")[0] in shipped.definitions and "__" not in name


def _is_of_torch(module: str, name: str, facts: Facts) -> bool:
    """Return whether the weights-only loader of the locked torch accepts a name; the oldest known for older ones."""
    torch = pinned(facts, "torch")
    return torch is not None and bool(is_allowed(f"{module}.{name}", max(torch, OLDEST_KNOWN)))


def _is_of_lock(module: str, name: str, facts: Facts, *, called: bool) -> bool:
    """Return whether a locked distribution provides a module, and its objects hold the name in their pickles."""
    module = module.replace("numpy.core.", "numpy._core.", 1)  # numpy 2 renamed it, and both read both names
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    return any(
        distribution in pins and is_saved(distribution, module, name, called=called)
        for distribution in distributions_of(module)
    )
