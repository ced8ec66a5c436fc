"""Checkpoints that are malicious or damaged, written when a test needs them: name → how to write it into a folder.

A reader of unknown files meets all of these: bombs, false lengths, paths that escape, code that would run. The
canary is the file that this code would write.
"""
# ruff: noqa: E501 — a program in opcodes reads best in one line

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

FILES = Path(__file__).parent
Write = Callable[[Path], object]
Make = Callable[[], bytes]


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def named(module: str, name: str) -> bytes:
    return b"\x8c" + bytes((len(module),)) + module.encode() + b"\x8c" + bytes((len(name),)) + name.encode() + b"\x93"


def touch(canary: str) -> bytes:
    """Return the argument tuple of a shell command that would leave a trace."""
    return text(f"touch {canary}") + b"\x85"


def archive(*records: tuple[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    whole = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(whole, "w", how) as made:
        warnings.simplefilter("ignore")  # two records of one name are intended
        for name, content in records:
            made.writestr(zipfile.ZipInfo(name), content, how)
    return whole.getvalue()


def end_of_directory(entries: int, size: int, offset: int) -> bytes:
    return b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, min(entries, 65535), min(entries, 65535), size, offset, 0)


def many_entries(count: int) -> bytes:
    """Return an archive of empty records, faster than zipfile would write it."""
    name = b"w/data/%08d"
    local = b"".join(
        b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, 0, 0, 0, 15, 0) + name % n for n in range(count)
    )
    central = b"".join(
        b"PK\x01\x02"
        + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, 0, 0, 0, 0, 0, 0, 0, 15, 0, 0, 0, 0, 0, n * 45)
        + name % n
        for n in range(count)
    )
    return local + central + end_of_directory(count, len(central), len(local))


def patched(content: bytes, mark: bytes, at: int, put: bytes) -> bytes:
    place = content.rindex(mark) + at
    return content[:place] + put + content[place + len(put) :]


def safetensors(header: bytes, data: int = 0, length: int | None = None) -> bytes:
    return (len(header) if length is None else length).to_bytes(8, "little") + header + bytes(data)


def pickles(canary: str) -> dict[str, Make]:
    run = touch(canary)
    reduce = b"cos\nsystem\n" + run + b"R"
    array = pickle.dumps({"shape": 1}, protocol=2)[2:-1]
    return {
        # bombs
        "memo doubling": lambda: b"\x80\x02]q\x00" + b"".join(b"]h" + bytes((n,)) + b"ah" + bytes((n,)) + b"aq" + bytes((n + 1,)) for n in range(250)),
        "tuples in tuples": lambda: b"\x80\x02N" + b"\x85" * 500_000 + b"\x93.",
        "lists in lists": lambda: b"\x80\x02" + b"]" * 300_000 + b"a" * 300_000,
        "a flood of DUP": lambda: b"\x80\x02N" + b"2" * 1_000_000 + b".",
        "a flood of MARK": lambda: b"\x80\x02" + b"(" * 1_000_000 + b".",
        "a flood of memo entries": lambda: b"\x80\x02N" + b"".join(b"r" + struct.pack("<I", n) for n in range(450_000)) + b".",
        "a flood of names": lambda: b"\x80\x04" + b"".join(named("os", f"system{n}") + b"0" for n in range(60_000)) + b"N.",
        "long texts in the memo": lambda: b"\x80\x02" + b"".join(text("a" * 60_000) + b"q" + bytes((n % 256,)) for n in range(1_500)) + b"N",
        "a flood of keys": lambda: b"\x80\x02}(" + b"".join(text(f"k{n}") + b"N" for n in range(100_000)) + b"u",
        "long integers": lambda: b"\x80\x02" + (b"\x8b" + struct.pack("<i", 60_000) + b"\x7f" * 60_000) * 300,
        # false lengths
        "LONG4 of 2 GB": lambda: b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1",
        "LONG4 of less than nothing": lambda: b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
        "BINBYTES8 of 8 EB": lambda: b"\x80\x04\x8e" + struct.pack("<Q", 2**63 - 1) + b"abc",
        "BINUNICODE8 of 16 EB": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**64 - 1) + b"abc",
        "BYTEARRAY8 of 1 TB": lambda: b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"abc",
        "a FRAME that lies": lambda: b"\x80\x04\x95" + struct.pack("<Q", 2**40) + named("os", "system") + run + b"R.",
        "a FRAME that hides": lambda: b"\x80\x04\x95" + struct.pack("<Q", 1) + named("posix", "system") + run + b"R.",
        "no end of a line": lambda: b"\x80\x02c" + b"a" * 3_000_000,
        "a decimal of a million digits": lambda: b"\x80\x02L" + b"9" * 1_000_000 + b"L\n.",
        # tricks of the machine
        "EXT1": lambda: b"\x80\x02\x82\x01.",
        "EXT4": lambda: b"\x80\x02\x84" + struct.pack("<i", 2**31 - 1) + b".",
        "a memo that holds itself": lambda: b"\x80\x02]q\x00h\x00ah\x00" + b"h\x01.",
        "PERSID of a name": lambda: b"\x80\x02P" + b"storage\n" + reduce + b".",
        "BINPERSID of no storage": lambda: b"\x80\x02(X\x07\x00\x00\x00storageNNNNtQR.",
        "a name that is computed": lambda: b"\x80\x04\x8c\x02os" + named("builtins", "str") + b"\x8c\x06system\x85R\x93" + run + b"R.",
        "a module that is computed": lambda: b"\x80\x04" + named("builtins", "str") + b"\x8c\x02os\x85R\x8c\x06system\x93" + run + b"R.",
        "a name out of the memo": lambda: b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93" + run + b"R.",
        "a name behind a name": lambda: b"\x80\x04" + named("torch", "serialization.os.system") + run + b"R.",
        "a name of a class's inside": lambda: b"\x80\x04" + named("collections", "OrderedDict.__init__.__globals__") + b".",
        "INST": lambda: b"(" + text(f"touch {canary}") + b"ios\nsystem\n.",
        "OBJ": lambda: b"\x80\x02(cos\nsystem\n" + text(f"touch {canary}") + b"o.",
        "NEWOBJ": lambda: b"\x80\x02csubprocess\nPopen\n" + run + b"\x81.",
        "NEWOBJ_EX": lambda: b"\x80\x04" + named("subprocess", "Popen") + run + b"}\x92.",
        "REDUCE": lambda: b"\x80\x02" + reduce + b".",
        "REDUCE under the names of Python 2": lambda: b"\x80\x02c__builtin__\neval\n" + text("1") + b"\x85R.",
        "REDUCE before an opcode that is none": lambda: b"\x80\x02" + reduce + b"\xff",
        "REDUCE without a STOP": lambda: b"\x80\x02" + reduce,
        "a chain of getattr": lambda: b"\x80\x04" + named("builtins", "getattr") + named("builtins", "__import__") + b"\x8c\x02os\x85R\x8c\x06system\x86R" + run + b"R.",
        "methodcaller": lambda: b"\x80\x04" + named("operator", "methodcaller") + b"\x8c\x06system" + run[:-1] + b"\x86R" + named("importlib", "import_module") + b"\x8c\x02os\x85R\x85R.",
        "BUILD that sets a dict": lambda: b"\x80\x02ctypes\nSimpleNamespace\n)\x81}" + text("a") + reduce + b"sb.",
        "protocol 0": lambda: b"cos\nsystem\n(S'touch " + canary.encode() + b"'\ntR.",
        "protocol 0 without a STOP": lambda: b"cos\nsystem\n(S'touch " + canary.encode() + b"'\ntR",
        "protocol 0 behind a list": lambda: b"(lp0\ncnt\nsystem\np1\n(S'touch " + canary.encode() + b"'\ntR.",
        "another module's door": lambda: b"\x80\x02crunpy\n_run_code\n" + run + b"R.",
        "torch.hub": lambda: b"\x80\x02ctorch.hub\nload\n" + run + b"R.",
        "a pickle in a pickle": lambda: b"\x80\x02cpickle\nloads\nU" + bytes((len(reduce),)) + reduce[:255] + b"\x85R.",
        "something behind the STOP of a legacy file": lambda: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + pickle.dumps({}, 2) + b"\x80\x02" + reduce + b".",
        "an array of joblib that lies": lambda: b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("shape") + b"\x8a\x08" + b"\x7f" * 8 + b"\x85" + text("dtype") + b"cnumpy\ndtype\n" + text("f8") + b"\x85R" + b"ub" + array,
        "arrays of joblib in each other": lambda: (b"\x80\x02cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(" + text("shape") + b"K\x01\x85" + text("dtype") + b"cnumpy\ndtype\n" + text("O8") + b"\x85R" + b"ub") * 50,
        # damaged
        "no STOP": lambda: b"\x80\x02]q\x00",
        "STOP of nothing": lambda: b"\x80\x02.",
        "only PROTO": lambda: b"\x80\x02",
        "protocol 9": lambda: b"\x80\x09}.",
        "an opcode that is none": lambda: b"\x80\x02\xfe.",
    }  # fmt: skip


def archives(canary: str) -> dict[str, Make]:
    evil = b"\x80\x02cos\nsystem\n" + touch(canary) + b"R."
    good = (FILES / "state_dict.pt").read_bytes()
    data = zipfile.ZipFile(io.BytesIO(good)).read("state_dict/data.pkl")
    packed = zipfile.ZIP_DEFLATED
    fifty = b"\x80\x02B" + struct.pack("<I", 50 << 20) + bytes(50 << 20) + b"."
    small = archive(("w/data.pkl", data), how=packed)
    return {
        "a zip bomb": lambda: archive(("w/data.pkl", fifty), ("w/data.pkl", evil), how=packed),
        "a zip that says it unpacks to 4 GB": lambda: patched(small, b"PK\x01\x02", 24, struct.pack("<I", 2**32 - 2)),
        "a zip that says it unpacks to nothing": lambda: patched(small, b"PK\x01\x02", 24, struct.pack("<I", 0)),
        "a hundred thousand records": lambda: many_entries(100_000),
        "records that overlap": lambda: patched(archive(("w/data.pkl", data), ("w/data/0", b"12345678")), b"PK\x01\x02", 42, struct.pack("<I", 0)),
        "two records of one name": lambda: archive(("w/data.pkl", data), ("w/data.pkl", evil)),
        "a hidden second pickle": lambda: archive(("w/data.pkl", data), ("w/x/data.pkl", evil)),
        "an encrypted record": lambda: patched(archive(("w/data.pkl", data)), b"PK\x01\x02", 8, b"\x01"),
        "an unknown method": lambda: patched(archive(("w/data.pkl", data)), b"PK\x01\x02", 10, b"\x63\x00"),
        "packed by LZMA": lambda: archive(("w/data.pkl", data), how=zipfile.ZIP_LZMA),
        "zip64 that lies": lambda: archive(("w/data.pkl", data))[:-22] + b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 2**40, 2**40, 2**60, 2**60) + b"PK\x06\x07" + struct.pack("<IQI", 0, 300, 1) + end_of_directory(65535, 2**32 - 1, 2**32 - 1),
        "a directory of 4 GB": lambda: archive(("w/data.pkl", data))[:-22] + end_of_directory(1, 2**32 - 2, 0),
        "a record above": lambda: archive(("w/data.pkl", data), ("w/../../../etc/cron.d/x", b"x")),
        "an absolute record": lambda: archive(("/etc/passwd", b"x"), ("w/data.pkl", data)),
        "a record of Windows": lambda: archive(("w/data.pkl", data), ("C:\\x", b"x")),
        "no records of the tensors": lambda: archive(("w/data.pkl", data)),
        "short records of the tensors": lambda: archive(("w/data.pkl", data), ("w/data/0", b""), ("w/data/1", b"")),
        "a zip in a zip": lambda: archive(("w/inner.pt", archive(("w/data.pkl", evil)))),
        "code in an archive of torch.export": lambda: archive(("w/models/model.json", b"{}"), ("w/data/weights/model.pt", archive(("w/data.pkl", evil)))),
        "code in a checkpoint": lambda: archive(("w/data.pkl", evil), ("w/version", b"3\n")),
        "a pickle cut off in a whole zip": lambda: archive(("w/data.pkl", data[:60])),
        "an empty zip": lambda: end_of_directory(0, 0, 0),
        **{f"cut to {kept}": partial(_first, good, kept) for kept in (1, 5, 40, 300, 900, len(good) - 200, len(good) - 1)},
    }  # fmt: skip


def _first(content: bytes, kept: int) -> bytes:
    return content[:kept]


def headers() -> dict[str, Make]:
    row = b'"dtype":"F32","shape":[2],"data_offsets":[0,8]'
    return {
        "a header longer than the file": lambda: safetensors(b"{}", length=2**40),
        "a header of 16 EB": lambda: safetensors(b"{}", length=2**64 - 1),
        "a huge header": lambda: safetensors(b'{"a":' + b" " * (9 << 20) + b"{}}"),
        "many tensors": lambda: safetensors(b"{" + b",".join(b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,1]}' % n for n in range(60_000)) + b"}"),
        "a deep header": lambda: safetensors(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
        "a name twice": lambda: safetensors(b'{"a":{' + row + b'},"a":{' + row + b"}}", 8),
        "no UTF-8": lambda: safetensors(b'{"\xff\xfe":{' + row + b"}}", 8),
        "a number of a million digits": lambda: safetensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 1_000_000 + b'],"data_offsets":[0,8]}}', 8),
        "a shape that overflows": lambda: safetensors(json.dumps({"a": {"dtype": "F32", "shape": [2**62] * 64, "data_offsets": [0, 8]}}).encode(), 8),
        "places below zero": lambda: safetensors(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}', 8),
        "no object": lambda: safetensors(b"[1,2,3]"),
        "a list for a tensor": lambda: safetensors(b'{"a":[1]}'),
        "less data than it says": lambda: safetensors(b'{"a":{' + row + b"}}", 7),
        "more data than it says": lambda: safetensors(b'{"a":{' + row + b"}}", 9),
        "cut in the header": lambda: safetensors(b'{"a":{' + row + b"}}", 8)[:30],
        "six bytes": lambda: b"\x00" * 6,
    }  # fmt: skip


def packed(canary: str) -> dict[str, Make]:
    evil = b"\x80\x02cos\nsystem\n" + touch(canary) + b"R."
    return {
        "code under zlib": lambda: zlib.compress(evil),
        "code under gzip": lambda: gzip.compress(evil),
        "code under bz2": lambda: bz2.compress(evil),
        "code under xz": lambda: lzma.compress(evil),
        "a bomb under zlib": lambda: zlib.compress(b"\x80\x02B" + struct.pack("<I", 200 << 20) + bytes(200 << 20), 1),
        "gzip that is cut off": lambda: gzip.compress(b"\x80\x02" + evil[2:-1] + os.urandom(4000))[:-2000],
        "xz that asks for 4 GB": lambda: b"\xfd7zXZ\x00\x00\x04" + lzma.compress(evil)[8:],
    }


def hostile(canary: str) -> dict[str, Write]:
    """Return name → how to write the entry below a path in an empty folder."""
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 99999999999999999999\n"
    made: dict[str, Write] = {}
    for suffix, contents in (
        (".pkl", pickles(canary)),
        (".pt", archives(canary)),
        (".safetensors", headers()),
        (".joblib", packed(canary)),
        (
            ".pth",
            {
                "a pointer with more behind it": lambda: pointer + os.urandom(5000),
                "a page": lambda: b"\n\n <!DOCTYPE html>",
                "nothing": bytes,
            },
        ),
    ):
        for name, content in contents.items():
            made[f"{name}{suffix}"] = partial(_write, content)
    made["a pipe.pt"] = os.mkfifo
    made["a folder.pt"] = Path.mkdir
    made["a link to a device.pt"] = lambda file: file.symlink_to("/dev/zero")
    made["a link to a place outside.pt"] = lambda file: file.symlink_to("/etc/passwd")
    made["a link to a folder outside.pt"] = lambda file: file.symlink_to("/etc")
    made["a link to itself.pt"] = lambda file: file.symlink_to(file)
    made["a link to nothing.pt"] = lambda file: file.symlink_to(file.with_name("none"))
    made["a file of 1 TB that is empty.pt"] = _sparse
    return made


def _write(content: Make, file: Path) -> None:
    file.write_bytes(content())


def _sparse(file: Path) -> None:
    with file.open("wb") as opened:
        opened.write(b"\x80\x02B")
        opened.truncate(2**40)
