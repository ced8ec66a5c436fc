"""What a file is by its first bytes, whatever its name is."""

from __future__ import annotations

import tarfile
from enum import StrEnum

HEAD = 512  # bytes: the header of a tar archive
NUMPY = b"\x93NUMPY"
ZIPPED = b"PK\x03\x04"  # the first bytes of an archive that torch.load takes for one
# Compressions that need a library beyond Python's own: Zstandard, LZ4, Snappy.
NOT_UNPACKED = (b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\xff\x06\x00\x00sNaPpY")
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<error", b"<head")


class Kind(StrEnum):
    """What the bytes of a file say that it is."""

    TORCH_ZIP = "a torch checkpoint"
    TORCHSCRIPT = "a TorchScript archive"
    EXPORTED = "an archive of torch.export"
    TORCH_LEGACY = "a legacy torch checkpoint"
    ARCHIVE = "an archive of files"
    PICKLE = "a pickle"
    NUMPY = "a numpy array"
    SAFETENSORS = "a safetensors file"
    LFS_POINTER = "a Git LFS pointer"
    PAGE = "an HTML or XML page"
    EMPTY = "an empty file"
    TRUNCATED = "a truncated zip archive"
    PACKED = "a file under a compression that only other libraries read"
    FOLDER = "a folder"
    LINK_OUT = "a link to a file outside of the artifacts"
    SPECIAL = "no file that can be read"
    OTHER = "of no known kind"


def kind_of(head: bytes, path: str) -> Kind:
    """Return what a file is by its first 512 bytes; by its name only where they do not say it."""
    text = head.lstrip().lower()
    if not head:
        return Kind.EMPTY
    if head.startswith((ZIPPED, b"PK\x05\x06")):
        return Kind.TORCH_ZIP
    if head.startswith(b"version https://git-lfs"):
        return Kind.LFS_POINTER
    if text.startswith(_PAGES):
        return Kind.PAGE
    if head.startswith(NUMPY):
        return Kind.NUMPY
    if head.startswith(NOT_UNPACKED):
        return Kind.PACKED
    if head[0] == 0x80 and len(head) > 1 and head[1] <= 5:  # PROTO, and no protocol after 5 exists
        return Kind.PICKLE
    if path.lower().endswith(".safetensors") or head[8:10] in (b'{"', b"{}"):
        return Kind.SAFETENSORS
    return Kind.OTHER


def is_tar(head: bytes) -> bool:
    """Return whether a file begins with the header of a tar archive, as tarfile decides it."""
    if len(head) < HEAD or not head[0]:
        return False
    try:
        tarfile.TarInfo.frombuf(head[:HEAD], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
