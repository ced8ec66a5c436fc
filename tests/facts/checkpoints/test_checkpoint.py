"""Reading checkpoints by their bytes: files that torch wrote, and files that are not checkpoints."""

from __future__ import annotations

import pickle
import pickletools
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from seatrial.facts.checkpoints.archive import UNPACK_LIMIT
from seatrial.facts.checkpoints.checkpoint import Checkpoint, read_checkpoint
from seatrial.facts.checkpoints.kinds import Kind

FILES = Path(__file__).parent


def of_torch(name: str) -> Checkpoint:
    return read_checkpoint(FILES / name, name)


def of_bytes(folder: Path, content: bytes) -> Checkpoint:
    (folder / "file.pt").write_bytes(content)
    return read_checkpoint(folder / "file.pt", "file.pt")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("state_dict.pt", Kind.TORCH_ZIP),
        ("whole_model.pt", Kind.TORCH_ZIP),
        ("legacy.pt", Kind.TORCH_LEGACY),
        ("legacy_labelled.pt", Kind.TORCH_LEGACY),
        ("script.pt", Kind.TORCHSCRIPT),
    ],
)
def test_a_file_of_torch_is_known_by_its_bytes(name: str, kind: Kind) -> None:
    read = of_torch(name)
    assert (read.kind, read.complete) == (kind, True)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", Kind.LFS_POINTER),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", Kind.PAGE),
        (b"\n\n<html>", Kind.PAGE),
        (b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>', Kind.PAGE),
        (b"", Kind.EMPTY),
        ((16).to_bytes(8, "little") + b'{"a":{}}        ', Kind.SAFETENSORS),
        (b"\x80\x02]q\x00.", Kind.PICKLE),
        (b"1,2,3\n", Kind.OTHER),
    ],
)
def test_a_file_that_is_not_from_torch_is_named(tmp_path: Path, content: bytes, kind: Kind) -> None:
    assert of_bytes(tmp_path, content).kind is kind


@pytest.mark.parametrize("kept", [200, 600, 1000])
def test_a_zip_that_is_cut_off_is_truncated(tmp_path: Path, kept: int) -> None:
    whole = (FILES / "state_dict.pt").read_bytes()
    assert of_bytes(tmp_path, whole[:kept]).kind is Kind.TRUNCATED


def test_the_classes_of_a_whole_model_are_named_in_both_formats() -> None:
    assert ("__main__", "Labelled") in of_torch("whole_model.pt").globals
    assert ("torch.nn.modules.linear", "Linear") in of_torch("whole_model.pt").globals
    assert ("__main__", "Labelled") in of_torch("legacy_labelled.pt").globals


def test_a_state_dict_names_nothing_but_torch_and_collections() -> None:
    modules = {module for module, _ in of_torch("state_dict.pt").globals}
    assert modules == {"collections", "torch", "torch._utils"}


@pytest.mark.parametrize(
    ("name", "kind", "top"),
    [
        ("parallel.pt", Kind.TORCH_ZIP, "collections.OrderedDict"),
        ("numpy_scalar.pt", Kind.TORCH_ZIP, "dict"),
        ("block.pt", Kind.TORCH_ZIP, "torch.nn.modules.container.Sequential"),
        ("transform.pkl", Kind.PICKLE, "torchvision.transforms.transforms.Compose"),
        ("arrays.joblib", Kind.PICKLE, "dict"),
        ("packed.joblib", Kind.PICKLE, "dict"),
        ("exported.pt2", Kind.EXPORTED, "dict"),
        ("weights.safetensors", Kind.SAFETENSORS, ""),
    ],
)
def test_a_file_is_followed_to_what_it_holds(name: str, kind: Kind, top: str) -> None:
    read = of_torch(name)
    assert (read.kind, read.top, read.complete, read.fault) == (kind, top, True, "")


@pytest.mark.parametrize(
    ("name", "inner", "keys", "dtype"),
    [
        ("state_dict.pt", "", ["weight", "bias"], "float32"),
        ("legacy.pt", "", ["weight", "bias"], "float32"),
        ("parallel.pt", "", ["module.weight", "module.bias"], "float32"),
        ("compiled.pt", "", ["_orig_mod.weight", "_orig_mod.bias"], "float32"),
        ("with_transform.pt", "state_dict", ["weight", "bias"], "float32"),
        ("weights.safetensors", "", ["bias", "weight"], "F32"),
    ],
)
def test_tensors_are_named_with_dtype_and_shape(name: str, inner: str, keys: list[str], dtype: str) -> None:
    tensors = of_torch(name).tensors[inner]
    assert list(tensors) == keys
    assert {(t.dtype, t.shape) for t in tensors.values()} == {(dtype, (1, 2)), (dtype, (1,))}


def test_the_attributes_of_objects_are_read_with_a_modules_parts() -> None:
    states = dict(of_torch("block.pt").states)
    assert {"approximate", "training"} <= states["torch.nn.modules.activation.GELU"]
    assert {"conv1", "bn2", "stride"} <= states["torchvision.models.resnet.BasicBlock"]
    assert {"size", "max_size", "antialias"} <= dict(of_torch("transform.pkl").states)[
        "torchvision.transforms.transforms.Resize"
    ]


def test_what_joblib_writes_after_the_data_of_arrays_is_read(tmp_path: Path) -> None:
    whole = (FILES / "arrays.joblib").read_bytes()
    behind = whole[:-2] + b"s\x8c\x06behind\x8c\x08__main__\x8c\x04Last\x93s."  # the dict's last item, and one more
    (tmp_path / "file.joblib").write_bytes(behind.replace(b"u.s", b"us"))
    assert ("__main__", "Last") in read_checkpoint(tmp_path / "file.joblib", "file.joblib").globals


def test_a_pointer_says_how_large_the_file_is(tmp_path: Path) -> None:
    content = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 87319819\n"
    assert of_bytes(tmp_path, content).real_size == 87_319_819


def test_a_legacy_file_without_its_last_bytes_is_not_whole(tmp_path: Path) -> None:
    whole = (FILES / "legacy.pt").read_bytes()
    assert of_bytes(tmp_path, whole).fault == ""
    assert of_bytes(tmp_path, whole[:-1]).fault.startswith("its tensors need")


def test_names_of_python_2_are_read_as_those_of_python_3() -> None:
    assert ("builtins", "set") in of_torch("whole_model.pt").globals


def test_the_device_of_every_tensor_is_read() -> None:
    assert of_torch("state_dict.pt").devices == ("cpu",)
    assert of_torch("legacy.pt").devices == ("cpu",)
    assert of_torch("cuda.pt").devices == ("cuda:0",)


class Own:
    """A class to pickle."""

    class Inner:
        """And one inside it."""


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_class_is_found_in_a_pickle_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps([Own(), "between", Own(), Own.Inner()], protocol=protocol)
    found = of_bytes(tmp_path, content).globals
    assert (Own.__module__, "Own") in found
    if protocol >= 4:
        assert (Own.__module__, "Own.Inner") in found


def test_a_class_is_found_where_its_names_come_from_the_memo(tmp_path: Path) -> None:
    content = pickle.dumps([Own.__module__, "Own", Own], protocol=4)
    assert any(op.name == "BINGET" for op, _, _ in pickletools.genops(content))
    assert of_bytes(tmp_path, content).globals == ((Own.__module__, "Own"),)


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (open, (str(self.file), "w"))


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    trap = tmp_path / "written"
    read = of_bytes(tmp_path, pickle.dumps(Evil(trap)))
    assert ("io", "open") in read.globals
    assert not trap.exists()


def test_long_bytes_are_stepped_over_and_what_follows_is_read(tmp_path: Path) -> None:
    content = pickle.dumps([bytes(3 << 20), bytearray(2 << 20), Own()], protocol=5)
    read = of_bytes(tmp_path, content)
    assert (Own.__module__, "Own") in read.globals
    assert read.complete


def archive(folder: Path, content: bytes, *, how: int = zipfile.ZIP_DEFLATED) -> Path:
    file = folder / "weights.pt"
    with zipfile.ZipFile(file, "w", how) as made:
        made.writestr("w/data.pkl", content)
    return file


@pytest.mark.parametrize("how", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_long_values_in_an_archive_are_stepped_over_and_what_follows_is_read(tmp_path: Path, how: int) -> None:
    content = pickle.dumps(["long text" * (1 << 18), bytes(3 << 20), Own()], protocol=4)
    read = read_checkpoint(archive(tmp_path, content, how=how), "weights.pt")
    assert (read.kind, read.complete) == (Kind.TORCH_ZIP, True)
    assert (Own.__module__, "Own") in read.globals


def test_a_long_value_in_an_archive_is_never_held_whole(tmp_path: Path) -> None:
    length = 60 << 20
    file = archive(tmp_path, b"\x80\x04B" + length.to_bytes(4, "little") + bytes(length) + b".")
    tracemalloc.start()
    try:
        read = read_checkpoint(file, "weights.pt")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read.complete
    assert most < length / 2


def test_an_archive_that_unpacks_to_more_than_the_limit_is_not_unpacked(tmp_path: Path) -> None:
    file = archive(tmp_path, b"")
    content = bytearray(file.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (UNPACK_LIMIT + 1).to_bytes(4, "little")  # "uncompressed size"
    read = of_bytes(tmp_path, bytes(content))
    assert (read.kind, read.complete, read.globals) == (Kind.TORCH_ZIP, False, ())


def test_an_archive_that_is_encrypted_is_not_read(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path, pickle.dumps(Own())).read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # the flag "encrypted" of its entry
    content[6] |= 1
    read = of_bytes(tmp_path, bytes(content))
    assert (read.kind, read.complete) == (Kind.TORCH_ZIP, False)


def test_damaged_packed_bytes_in_an_archive_do_not_crash_the_reader(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path, pickle.dumps([Own(), list(range(300))])).read_bytes())
    content[60:90] = bytes([0xFF]) * 30
    assert of_bytes(tmp_path, bytes(content)).fault == "its packed bytes are damaged"


def test_a_pickle_that_is_cut_off_is_incomplete_but_names_what_came_before(tmp_path: Path) -> None:
    content = pickle.dumps([Own(), list(range(300))], protocol=2)
    read = of_bytes(tmp_path, content[:-100])
    assert (Own.__module__, "Own") in read.globals
    assert not read.complete
