"""What the functions and classes of a distribution can do: run code, load code, connect, write files, end the process.

Decided by ast from the names that they call, and from what these call in turn within the same distribution. Nothing is
imported. What is reached only through an argument or an attribute of an object is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

CODE, PROGRAM, NETWORK, FILES, END = (
    "runs code",
    "starts a program",
    "connects",
    "writes files",
    "ends or stops the process",
)
_OS_PROGRAMS = "system popen fork forkpty posix_spawn posix_spawnp startfile"
_OS_FILES = (
    "remove unlink rename renames replace rmdir removedirs mkdir makedirs link symlink truncate chmod chown mkfifo"
)


def _each(module: str, names: str, power: str) -> dict[str, str]:
    return {f"{module}.{name}": power for name in names.split()}


# What is known without reading source: Python's own functions in C, and the doors of its modules.
SEEDS: dict[str, str] = {
    **_each("builtins", "exec eval compile __import__", CODE),
    **_each("importlib", "import_module reload __import__", CODE),
    **_each("importlib.util", "module_from_spec spec_from_file_location", CODE),
    **_each("marshal", "load loads", CODE),
    **_each("pickle", "load loads Unpickler _load _loads", CODE),
    **_each("_pickle", "load loads Unpickler", CODE),
    **_each("types", "CodeType FunctionType", CODE),
    **_each("ctypes", "CDLL PyDLL cdll pydll", CODE),
    **_each("_imp", "create_dynamic exec_dynamic", CODE),
    **_each("joblib", "load", CODE),
    **_each("dill", "load loads", CODE),
    **_each("cloudpickle", "load loads", CODE),
    **_each("torch", "load", CODE),
    **_each("numpy", "load", CODE),
    **_each("pandas", "read_pickle", CODE),
    **_each("os", _OS_PROGRAMS, PROGRAM),
    **_each("posix", _OS_PROGRAMS, PROGRAM),
    **{
        f"os.{verb}{end}": PROGRAM
        for verb in ("exec", "spawn")
        for end in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")
    },
    **_each("subprocess", "Popen run call check_call check_output getoutput getstatusoutput", PROGRAM),
    **_each("_posixsubprocess", "fork_exec", PROGRAM),
    **_each("pty", "spawn fork", PROGRAM),
    **_each("multiprocessing", "Process Pool Manager", PROGRAM),
    **_each("socket", "socket create_connection create_server getaddrinfo gethostbyname", NETWORK),
    **_each("_socket", "socket", NETWORK),
    **_each("urllib.request", "urlopen urlretrieve", NETWORK),
    **_each("http.client", "HTTPConnection HTTPSConnection", NETWORK),
    **_each("requests", "get post put request Session head", NETWORK),
    **_each("os", _OS_FILES, FILES),
    **_each("posix", _OS_FILES, FILES),
    **_each("shutil", "rmtree copy copy2 copyfile copytree move", FILES),
    **_each("tempfile", "mkstemp mkdtemp NamedTemporaryFile TemporaryFile TemporaryDirectory", FILES),
    **_each("os", "_exit abort kill killpg", END),
    **_each("posix", "_exit abort kill killpg", END),
    **_each("signal", "pthread_kill raise_signal alarm pause", END),
    **_each("time", "sleep", END),
    **_each("faulthandler", "_sigsegv _sigabrt _sigfpe _fatal_error _stack_overflow", END),
}
_OPENERS = ("builtins.open", "io.open", "_io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open")
_ORDER = (CODE, PROGRAM, NETWORK, FILES, END)
_BUILTINS = frozenset(("exec", "eval", "compile", "__import__", "open"))
MADE = ("__init__", "__new__", "__post_init__", "__call__")  # what calling a class, or its metaclass, runs
UNPICKLED = (
    "__new__",
    "__setstate__",
    "__setattr__",
    "__del__",
    "__getattr__",
    "__hash__",
    "__eq__",
    "append",
    "extend",
)


@dataclass(slots=True)
class Unit:
    """A function or class: its full name, what it calls, and a class's bases and methods."""

    name: str
    calls: set[str] = field(default_factory=set)
    own: str = ""  # what its own body can do
    bases: tuple[str, ...] = ()
    methods: set[str] = field(default_factory=set)
    is_class: bool = False


@dataclass(slots=True)
class Code:
    """The functions and classes of a distribution by full name, and what its modules bind to names of others."""

    units: dict[str, Unit] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    stars: dict[str, list[str]] = field(default_factory=dict)
    packages: set[str] = field(default_factory=set)

    def resolve(self, name: str) -> str:
        """Follow a full name through the imports of the modules in which it is looked up."""
        for _ in range(8):
            if name in self.units:
                return name
            head, rest = name, ""
            while head and head not in self.aliases:
                head, _, last = head.rpartition(".")
                rest = f".{last}{rest}"
            if not head:
                return name
            name = f"{self.aliases[head]}{rest}"
        return name


def read(files: Mapping[str, bytes]) -> Code:
    """Read the Python files of a distribution: path → content. What is not Python is left out."""
    code = Code()
    for path, content in sorted(files.items()):
        file = PurePosixPath(path)
        module = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError):
            continue
        package = module if file.stem == "__init__" else module.rpartition(".")[0]
        code.packages.add(package)
        _module(tree, module, package, code)
    for _ in range(3):  # `*` may import what came by another `*`
        for module, sources in code.stars.items():
            for name in [n for n in (*code.units, *code.aliases) if n.rpartition(".")[0] in sources]:
                code.aliases.setdefault(f"{module}.{name.rpartition('.')[2]}", name)
    return code


def powers(code: Code) -> dict[str, str]:
    """Return what each function, method and class can do when it is called; those that can do nothing are left out."""
    able: dict[str, str] = {}
    changed = True
    while changed:
        changed = False
        for name, unit in code.units.items():
            now = _strongest((able.get(name, ""), unit.own, *(_power(c, code, able) for c in _run_by(unit, code))))
            if now and now != able.get(name):
                able[name], changed = now, True
    return able


def unpickled_powers(code: Code, able: Mapping[str, str]) -> set[str]:
    """Return the classes whose objects do something when they are unpickled without arguments."""
    return {
        name for name, unit in code.units.items()
        if unit.is_class and any(able.get(method) for method in methods(unit, UNPICKLED, code))
    }  # fmt: skip


def _run_by(unit: Unit, code: Code) -> Iterator[str]:
    yield from unit.calls
    if unit.is_class:
        yield from methods(unit, MADE[:3], code)


def methods(unit: Unit, names: Iterable[str], code: Code, depth: int = 0) -> Iterator[str]:
    """Yield the methods of a class with these names, its own or inherited within the distribution."""
    missing = []
    for name in names:
        if name in unit.methods:
            yield f"{unit.name}.{name}"
        else:
            missing.append(name)
    for base in unit.bases if depth < 8 else ():
        if (inherited := code.units.get(code.resolve(base))) and inherited is not unit:
            yield from methods(inherited, missing, code, depth + 1)
        elif code.resolve(base) in SEEDS:
            yield code.resolve(base)


def _power(called: str, code: Code, able: Mapping[str, str]) -> str:
    name = code.resolve(called)
    return able.get(name) or SEEDS.get(name, "")


def _strongest(found: Iterable[str]) -> str:
    there = {each for each in found if each}
    return next((power for power in _ORDER if power in there), "")


def _module(tree: ast.Module, module: str, package: str, code: Code) -> None:
    for node in ast.walk(tree):  # imports in functions too: their names are seldom used for anything else
        match node:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    code.aliases.setdefault(f"{module}.{bound}", alias.name if alias.asname else bound)
            case ast.ImportFrom(names=names):
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                source = ".".join([*above, *([node.module] if node.module else [])])
                for alias in names:
                    if alias.name == "*":
                        code.stars.setdefault(module, []).append(source)
                    else:
                        code.aliases.setdefault(f"{module}.{alias.asname or alias.name}", f"{source}.{alias.name}")
    for name in [a for a in code.aliases if code.aliases[a] == a]:
        del code.aliases[name]
    _definitions(tree.body, module, module, code)


def _definitions(body: list[ast.stmt], module: str, within: str, code: Code) -> None:
    for node in body:
        if isinstance(node, ast.If | ast.Try | ast.With):
            inner = [
                *node.body,
                *getattr(node, "orelse", []),
                *(s for h in getattr(node, "handlers", []) for s in h.body),
            ]
            _definitions(inner, module, within, code)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}.{node.name}"
            unit = code.units.setdefault(name, Unit(name))
            _calls(node, module, within, unit)
            if within in code.units:
                code.units[within].methods.add(node.name)
        elif isinstance(node, ast.ClassDef):
            name = f"{within}.{node.name}"
            bases = tuple(
                f"{module}.{ast.unparse(base)}" for base in node.bases if isinstance(base, ast.Name | ast.Attribute)
            )
            code.units[name] = Unit(name, bases=bases, is_class=True)
            _definitions(node.body, module, name, code)


def _calls(function: ast.AST, module: str, within: str, unit: Unit) -> None:
    for node in ast.walk(function):
        if not isinstance(node, ast.Call):
            continue
        called = _dotted(node.func)
        head, _, rest = called.partition(".")
        if head in ("self", "cls") and rest and within != module:
            unit.calls.add(f"{within}.{rest}")
        elif called in _BUILTINS:
            full = f"builtins.{called}"
            if full == "builtins.open" and _writes(node):
                unit.own = unit.own or FILES
            elif full != "builtins.open":
                unit.calls.add(full)
        elif called:
            if called.rpartition(".")[2] in ("write_text", "write_bytes", "unlink", "mkdir", "touch", "rmtree"):
                unit.own = unit.own or FILES
            if "open" in called.rpartition(".")[2] and _writes(node):  # `bltn_open`, `open_func`
                unit.own = unit.own or FILES
            unit.calls.add(f"{module}.{called}")


def _writes(call: ast.Call) -> bool:
    """Return whether a call of open gets a mode for writing, or one that is not a constant."""
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(not isinstance(m, ast.Constant) or any(letter in str(m.value) for letter in "wax+") for m in modes)


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=inner, attr=name):
            outer = _dotted(inner)
            return f"{outer}.{name}" if outer else ""
    return ""
