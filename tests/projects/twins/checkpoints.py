"""Family 3, checkpoints: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Twin
from tests.projects.checkpoints import artifacts, naming, real


def safetensors(header: str, size: int) -> bytes:
    return len(header).to_bytes(8, "little") + header.encode() + bytes(size)


ONE = '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'


def _main_and_modules() -> Iterator[Twin]:
    clean = naming(("collections", "OrderedDict"))
    yield artifacts("ST301", "a pickle of protocol 4", naming(("__main__", "Crop")), clean)
    yield artifacts("ST301", "a legacy file", real("legacy_labelled.pt"), real("legacy.pt"), file="old.ckpt")
    yield artifacts("ST301", "a joblib file", naming(("__main__", "f"), protocol=2), clean, file="a.joblib")
    yield artifacts("ST302", "no distribution", naming(("skimage.color", "rgb2gray")), clean)
    yield artifacts("ST302", "a script beside", naming(("train_helpers", "Crop")), clean, file="t.joblib")
    yield artifacts("ST302", "protocol 0", b"cskimage.color\nrgb2gray\n(tR.", b"ccollections\nOrderedDict\n(tR.")


def _wrong_files() -> Iterator[Twin]:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1075\n"
    for name, content in {
        "a pointer": pointer,
        "a page": b"\n<html>",
        "nothing": b"",
        "cut": b"PK\x03\x04 cut",
    }.items():
        yield artifacts("ST303", name, content, real("state_dict.pt"), file="second.pt")
    whole = safetensors(ONE, 8)
    yield artifacts("ST309", "a tensor lacks bytes", safetensors(ONE, 7), whole, file="w.safetensors")
    yield artifacts("ST309", "a header that is too long", b"\xff" * 8 + b"{}", whole, file="w.safetensors")
    yield artifacts("ST309", "a pickle is cut off", real("transform.pkl")[:-20], real("transform.pkl"))
    yield artifacts("ST309", "a legacy file is cut off", real("legacy.pt")[:-4], real("legacy.pt"), file="old.pt")
    plain = b"\x80\x02}."
    yield artifacts("ST307", "an opcode that is none", b"\x80\x02\xff.", plain, warns=True)
    yield artifacts("ST307", "nothing on the stack", b"\x80\x02R.", plain, warns=True, file="t.pickle")
    yield artifacts("ST307", "a memo that is empty", b"\x80\x02h\x05.", plain, warns=True, file="t.joblib")


TWINS = (
    *_main_and_modules(),
    *_wrong_files(),
)
