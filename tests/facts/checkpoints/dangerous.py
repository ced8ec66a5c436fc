"""A corpus of files that do something when they are loaded: name of the file → its bytes, and how certain it is.

Each is written from opcodes, and nothing of it is ever executed. Its only effect would be an empty file `canary`.
"""
# ruff: noqa: E501 — a program in opcodes reads best in one line

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.facts.checkpoints.hostile import archive, end_of_directory, named, patched

TOUCH = "touch canary"
CODE = "open('canary', 'w').close()"


@dataclass(frozen=True)
class Dangerous:
    """A file, and whether it is known what it does: then it must be an error, else at least a warning."""

    content: bytes
    certain: bool = True


def program(body: bytes, protocol: int = 4) -> bytes:
    return bytes((0x80, protocol)) + body + b"."


def value(given: object) -> bytes:
    """Push a text, bytes, a number, None or a tuple of them."""
    match given:
        case str():
            return b"X" + struct.pack("<I", len(given.encode())) + given.encode()
        case bytes():
            return b"B" + struct.pack("<I", len(given)) + given
        case tuple():
            return b"(" + b"".join(map(value, given)) + b"t"
        case int():
            return b"J" + struct.pack("<i", given)
        case Raw(content):
            return content
    return b"N"


@dataclass(frozen=True)
class Raw:
    """An argument that is a program itself."""

    content: bytes


def call(module: str, name: str, *arguments: object) -> bytes:
    return named(module, name) + value(arguments) + b"R"


SYSTEM = call("os", "system", TOUCH)
EVIL = program(SYSTEM)
GOOD = pickle.dumps({"a": 1}, 4)


def functions() -> dict[str, Dangerous]:
    """Functions and classes of Python, torch and what torch brings, that a pickle calls."""
    certain: dict[str, tuple[object, ...]] = {
        "os system": (TOUCH,), "posix system": (TOUCH,), "os popen": (TOUCH,), "os _exit": (1,), "os abort": (), "os remove": ("x",), "nt system": (TOUCH,),
        "subprocess Popen": (TOUCH,), "subprocess check_output": (TOUCH,), "pty spawn": (TOUCH,), "multiprocessing.context Process": (),
        "builtins eval": (CODE,), "builtins exec": (CODE,), "builtins compile": (CODE, "", "exec"), "builtins __import__": ("canary",), "builtins open": ("canary", "w"),
        "builtins setattr": (1, "a", 2), "builtins globals": (), "runpy run_path": ("x.py",), "runpy _run_code": (CODE,), "pkgutil resolve_name": ("os:system",),
        "importlib import_module": ("canary",), "importlib.util module_from_spec": (None,), "pydoc locate": ("os.system",), "code interact": (), "timeit timeit": (CODE,),
        "cProfile run": (CODE,), "profile run": (CODE,), "pdb run": (CODE,), "bdb Bdb.run": (None, CODE), "trace Trace.run": (None, CODE), "doctest debug_script": (CODE,),
        "ctypes CDLL": ("libc.so.6",), "types CodeType": (0,), "types FunctionType": (None, None), "dataclasses _create_fn": ("f", (), CODE), "marshal loads": (b"x",),
        "logging FileHandler": ("canary",), "logging.config dictConfig": (None,), "logging.handlers RotatingFileHandler": ("canary",), "pathlib Path.write_text": (None, "x"),
        "pathlib Path.unlink": (None,), "shutil rmtree": ("x",), "shutil make_archive": ("canary", "zip"), "tempfile mkdtemp": (), "tarfile TarFile": ("canary", "w"),
        "zipfile ZipFile.extractall": (None,), "gzip GzipFile": ("canary", "w"), "sqlite3 connect": ("canary",), "shelve open": ("canary",), "socket create_connection": (("x", 1),),
        "urllib.request urlopen": ("http://x",), "smtplib SMTP": ("x",), "ftplib FTP": ("x",), "webbrowser open": ("x",), "xmlrpc.client ServerProxy": ("x",),
        "asyncio run": (None,), "time sleep": (9999,), "signal raise_signal": (9,), "faulthandler _sigsegv": (), "sys exit": (1,), "atexit register": (None,),
        "sys settrace": (None,), "threading Thread": (), "weakref finalize": (None,), "copyreg add_extension": ("os", "system", 1), "gc get_objects": (),
        "random _os.system": (TOUCH,), "enum bltns.eval": (CODE,), "webbrowser subprocess.Popen": (TOUCH,), "statistics sys.exit": (1,), "unittest.mock _importer": ("os.system",),
        "distutils.spawn spawn": ((TOUCH,),), "concurrent.futures ThreadPoolExecutor": (), "collections namedtuple.__globals__": (), "inspect os.system": (TOUCH,),
        "torch load": ("x",), "torch save": (None, "canary"), "torch.hub load": ("a/b", "c"), "torch.utils.cpp_extension load_inline": ("x", ""), "torch.utils.collect_env run": (TOUCH,),
        "torch.jit load": ("x",), "torch.fx.graph_module _exec_with_source": (CODE,), "torch.fx.graph_module reduce_graph_module": (None, ""), "torch.package PackageImporter": ("x",),
        "torch.utils.model_zoo load_url": ("x",), "torch.multiprocessing spawn": (None,), "torch.serialization os.system": (TOUCH,), "torch.serialization pickle.loads": (EVIL,),
        "torch.utils.data.datapipes.utils.decoder basichandlers": ("pickle", EVIL), "torch.serialization load": ("x",), "torch.utils.tensorboard.writer SummaryWriter": ("canary",),
        "numpy load": ("x.npy",), "numpy.f2py.crackfortran myeval": (CODE,), "numpy.testing._private.utils runstring": (CODE, None), "numpy save": ("canary", 1), "numpy memmap": ("canary", "u1", "w+"),
        "jinja2.utils import_string": ("os.system",), "sympy sympify": (CODE,), "sympy.parsing.sympy_parser parse_expr": (CODE,), "fsspec.core open": ("canary", "w"), "networkx write_gml": (None, "canary"),
        "torchvision.datasets.utils download_url": ("x", "."), "PIL.ImageShow _remove_path_after_delay": ("x",), "setuptools._distutils.spawn spawn": ((TOUCH,),),
    }  # fmt: skip
    unknown: dict[str, tuple[object, ...]] = {
        "functools reduce": (None, ()), "builtins map": (None, ()), "builtins type": ("X", (), None), "builtins id": (1,), "random seed": (1,), "resource setrlimit": (0, (1, 1)),
        "locale setlocale": (0, "C"), "warnings simplefilter": ("ignore",), "decimal setcontext": (None,), "operator iadd": (1, 2), "torch set_default_dtype": (None,), "torch manual_seed": (1,),
        "torch.nn.functional relu": (None,), "torch.utils.data.dataset Subset": (None, 1), "numpy ones": (9,), "torchvision.models.resnet resnet18": (), "PIL.Image open": ("x",), "torch.nn.modules.linear Linear": (2, 2),
    }  # fmt: skip
    made = {name: Dangerous(program(call(*name.split(" "), *given))) for name, given in certain.items()}
    return made | {
        name: Dangerous(program(call(*name.split(" "), *given)), certain=False) for name, given in unknown.items()
    }


def instructions() -> dict[str, Dangerous]:
    """Ways in which a pickle calls or changes something."""
    system, run = named("os", "system"), value((TOUCH,))
    plain = named("types", "SimpleNamespace") + b")\x81"
    programs: dict[str, bytes] = {
        "GLOBAL and REDUCE": program(b"cos\nsystem\n" + run + b"R", 2),
        "INST": program(b"(" + value(TOUCH) + b"ios\nsystem\n", 0),
        "OBJ": program(b"(" + system + value(TOUCH) + b"o"),
        "NEWOBJ with arguments": program(named("numpy", "memmap") + value(("canary", "u1", "w+")) + b"\x81"),
        "NEWOBJ_EX with arguments": program(named("subprocess", "Popen") + run + b"}\x92"),
        "__newobj__ with arguments": program(call("copyreg", "__newobj__", Raw(named("numpy", "memmap")), "canary")),
        "a base that makes a file": program(call("copyreg", "_reconstructor", Raw(named("collections", "OrderedDict")), Raw(named("numpy", "memmap")), "canary")),
        "BUILD that sets a state setter": program(plain + b"}" + value("__setstate__") + system + b"sb" + value(TOUCH) + b"b"),
        "BUILD that sets an append": program(plain + b"}" + value("append") + system + b"sb" + value(TOUCH) + b"a"),
        "BUILD that changes a class": program(named("collections", "OrderedDict") + b"}" + value("items") + named("collections", "deque") + b"sb"),
        "BUILD that changes a class of torch": program(named("torch.nn.modules.module", "Module") + b"}" + value("forward") + named("builtins", "len") + b"sb"),
        "SETITEM of a module's dict": program(named("sys", "modules") + value("x") + b"Ns"),
        "an extension": program(b"\x82\x01" + run + b"R"),
        "a name out of the memo": program(b"\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93" + run + b"R"),
        "a name that is computed": program(value("os") + call("builtins", "str", "system") + b"\x93" + run + b"R"),
        "two protocols": b"\x80\x04" + program(b"c__builtin__\neval\n" + value((CODE,)) + b"R", 2),
        "names of Python 2": program(b"ccommands\ngetoutput\n" + run + b"R", 2),
        "a number in hexadecimal first": b"I0x1\n0" + program(SYSTEM)[2:],
        "a long line first": b"V" + b"a" * 70_000 + b"\n0cos\nsystem\n(V" + TOUCH.encode() + b"\ntR.",
        "a text that is not ASCII first": b"S'\xe9'\n0cos\nsystem\n(V" + TOUCH.encode() + b"\ntR.",
        "a wrapper of torch that calls": program(call("torch._tensor", "_rebuild_from_type_v2", Raw(named("torchvision.io", "write_file")), None, (), None)),
        "a wrapper of torch that calls a held function": program(call("torch._tensor", "_rebuild_from_type_v2", Raw(named("builtins", "len")), None, ("a",), None)),
        "what a call returns is called": program(call("functools", "partial", Raw(system)) + run + b"R"),
        "getattr of a function": program(call("builtins", "getattr", Raw(named("collections", "OrderedDict")), "__init__")),
        "getattr that is called": program(call("builtins", "getattr", 1, "bit_length") + b")R"),
        "methodcaller": program(call("operator", "methodcaller", "system", TOUCH) + call("importlib", "import_module", "os") + b"\x85R"),
        "a list of calls": program(call("builtins", "list", Raw(call("builtins", "map", Raw(system), (TOUCH,))))),
        "without a STOP": program(SYSTEM)[:-1],
        "before what is no instruction": program(SYSTEM)[:-1] + b"\xff",
    }  # fmt: skip
    return {
        name: Dangerous(content, certain=name != "a wrapper of torch that calls a held function")
        for name, content in programs.items()
    }


def inside() -> dict[str, Dangerous]:
    """Pickles in the bytes of other pickles, and behind them."""
    legacy = [pickle.dumps(each, 2) for each in list[object]((0x1950A86A20F9469CFC6C, 1001, {}, {}, []))]
    array = io.BytesIO()
    array.write(
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117)
        + b"\n"
        + EVIL
    )
    plain = (
        b"\x93NUMPY\x01\x00v\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }".ljust(117)
        + b"\n"
        + bytes(16)
    )
    loaded = call("torch.storage", "_load_from_bytes", EVIL)
    long = call("torch.storage", "_load_from_bytes", pickle.dumps(bytes(200_000), 4)[:-1] + b"0" + SYSTEM + b".")
    as_text = call("_codecs", "encode", "\x80\x02cos\nsystem\n(X\x01\0\0\0atR.", "latin1")
    written = {
        "bytes that torch loads": program(loaded),
        "long bytes that torch loads": program(long),
        "bytes that torch loads as a text": program(call("torch.storage", "_load_from_bytes", Raw(as_text)), 2),
        "packed bytes that torch loads": gzip.compress(program(long)),
        "an archive in bytes that torch loads": program(
            call("torch.storage", "_load_from_bytes", archive(("w/data.pkl", EVIL)))
        ),
        "bytes that pickle loads": program(call("pickle", "loads", EVIL)),
        "bytes that nothing visible loads": program(b"}" + value("state") + value(EVIL) + b"s"),
        "behind the STOP": GOOD + EVIL,
        "third in the file": GOOD + GOOD + EVIL,
        "last of a legacy file": b"".join(legacy[:4]) + EVIL,
        "behind a legacy file's object": b"".join(legacy[:3]) + EVIL + legacy[4],
        "an array of objects": array.getvalue(),
        "the second array": plain + array.getvalue(),
        "arrays in an archive": archive(("a.npy", plain), ("b.npy", array.getvalue())),
        "behind half a million steps": b"N0" * 250_000 + SYSTEM + b".",
    }
    return {name: Dangerous(content, certain="half a million" not in name) for name, content in written.items()}


def two_directories(for_torch: bytes, for_python: bytes) -> bytes:
    """Return an archive in which torch reads one pickle and Python's zipfile another.

    The end record gives the offset of the first directory; the second stands directly before the end record.
    """
    one, other = archive(("w/data.pkl", for_torch)), archive(("w/data.pkl", for_python))
    at = one.index(b"PK\x01\x02"), other.index(b"PK\x01\x02")
    directory = one[at[0] : -22]
    moved = patched(other[at[1] : -22], b"PK\x01\x02", 42, struct.pack("<I", at[0] + 64 - len(directory)))
    records = one[: at[0]] + bytes(64) + other[: at[1]]
    return records + directory + moved + end_of_directory(1, len(directory), len(records))


def archives() -> dict[str, Dangerous]:
    """Archives that torch reads otherwise than a checker does."""
    good = b"\x80\x02}."
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        for name, content in (("storages", b"\x80\x02K\x00."), ("tensors", b"\x80\x02K\x00."), ("pickle", EVIL)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    plain = archive(("w/data.pkl", EVIL))
    wrong_sum = patched(plain, b"PK\x01\x02", 16, b"\x01\x02\x03\x04")
    shifted = patched(plain, b"PK\x01\x02", 42, struct.pack("<I", 8))
    directory = shifted.index(b"PK\x01\x02")
    before = b"PK\x03\x04junk" + shifted[:-22] + end_of_directory(1, len(plain) - 22 - directory, directory + 8)
    file = {
        "data.pkl": plain,
        "DATA.PKL": archive(("w/DATA.PKL", EVIL)),
        "both cases": archive(("w/data.pkl", good), ("w/Data.pkl", EVIL)),
        "two directories": two_directories(good, EVIL),
        "two directories the other way": two_directories(EVIL, good),
        "bytes before the first record": before,
        "a pickle before the archive": EVIL + plain,
        "an archive behind a pickle": patched(GOOD + plain, b"PK\x01\x02", 42, struct.pack("<I", len(GOOD)))[:-22] + end_of_directory(1, len(plain) - 22 - plain.index(b"PK\x01\x02"), len(GOOD) + plain.index(b"PK\x01\x02")),
        "packed": archive(("w/data.pkl", EVIL), how=zipfile.ZIP_DEFLATED),
        "a wrong checksum": wrong_sum,
        "a record beside data.pkl": archive(("w/data.pkl", good), ("w/optimizer.bin", EVIL)),
        "TorchScript by name": archive(("w/data.pkl", EVIL), ("w/constants.pkl", good)),
        "TorchScript in capitals": archive(("w/data.pkl", EVIL), ("w/CONSTANTS.PKL", good)),
        "an archive in an archive": archive(("model.pt", plain)),
        "legacy tar": tar.getvalue(),
        "legacy tar packed": gzip.compress(tar.getvalue()),
    }  # fmt: skip
    return {name: Dangerous(content) for name, content in file.items()}


def packed() -> dict[str, Dangerous]:
    """Compressed files, by what is in them and not by name."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "gz": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zlib": zlib.compress,
    }
    made = {f"packed by {name}": pack(EVIL) for name, pack in ways.items()}
    made["packed by lzma"] = lzma.compress(EVIL, lzma.FORMAT_ALONE)
    made["packed twice"] = gzip.compress(bz2.compress(EVIL))
    made["packed in two parts"] = gzip.compress(EVIL[:5]) + gzip.compress(EVIL[5:])
    made["a packed archive"] = gzip.compress(archive(("w/data.pkl", EVIL)))
    made["long and packed"] = gzip.compress(
        b"\x80\x04B" + struct.pack("<I", 3 << 20) + bytes(3 << 20) + b"0" + SYSTEM + b"."
    )
    return {name: Dangerous(content) for name, content in made.items()}


def names() -> dict[str, Dangerous]:
    """The same pickle under names that say nothing."""
    suffixes = (
        "weights",
        "model.sav",
        "model.dill",
        "model.joblib",
        "weights.bak",
        "weights.pkl.old",
        "labels.txt",
        "logo.png",
        "model.h5",
        "data.npy",
        "data.npz",
        "weights.bin",
        "weights.safetensors",
        "cache/0",
        ".hidden",
    )
    return {f"named/{name}": Dangerous(EVIL) for name in suffixes}


def corpus() -> dict[str, Dangerous]:
    """Return every file by its name; those without a suffix in it stand for a file of any name."""
    parts = {
        "function": functions(),
        "instruction": instructions(),
        "inside": inside(),
        "archive": archives(),
        "packed": packed(),
    }
    made = {f"{part}/{name}": each for part, files in parts.items() for name, each in files.items()}
    return {name.replace(" ", "-"): each for name, each in {**made, **names()}.items()}
