"""Weights that the workers of a server hold once: those that are equal after the load are mapped from a file in memory.

Every worker loads as if it were alone. What it then finds in the file, it maps and drops its own; what it does not
find, it adds. The mapping is private: a worker that writes to a weight gets a page of its own, and changes nothing for
the others. Not shared are weights on a GPU, those that differ between workers (such as random ones), small ones, and
what is no parameter or buffer of a torch module that was made during the load: weights in NumPy arrays, packed by
quantisation, or frozen into TorchScript.
"""

from __future__ import annotations

import ctypes
import gc
import itertools
import mmap
import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

from seatrial.serving import log

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "seatrial-weights"  # of the file, as /proc shows it
_LEAST = 1 << 16  # bytes of what is worth it
_START = 1 << 16  # bytes that tell most contents apart
_HEAD = 16  # bytes before each content, on a page of their own: its length and the checksum of its start


def share(descriptor: int) -> int:
    """Map the weights of this process from the file; return how many bytes of them it maps now.

    Without torch there are none; -1 is no file.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or descriptor < 0 or not hasattr(torch.Tensor, "untyped_storage"):  # before torch 2.0
        return 0
    file, shared = _File(descriptor, torch), 0
    for tensors in _by_storage(torch):
        storage = tensors[0].untyped_storage()
        try:
            common = file.common(torch.empty(0, dtype=torch.uint8).set_(storage)).untyped_storage()
            for one in tensors:
                one.data = torch.empty(0, dtype=one.dtype).set_(common, one.storage_offset(), one.size(), one.stride())
        except Exception as error:  # noqa: BLE001 - a worker that keeps its own is right, too
            log.write("DEBUG", f"weights that the workers do not share: {log.text_of(error)}", phase="load")
            continue
        shared += common.nbytes()
    return shared


def _by_storage(torch: Any) -> Iterator[list[Any]]:
    """Yield parameters and buffers of all modules, those together that lie in the same memory."""
    # By the exact types: subclasses may hold their numbers elsewhere, and what is not initialised has none.
    plain = (torch.Tensor, torch.nn.Parameter, getattr(torch.nn, "Buffer", None))  # before torch 2.5 it has none
    found: dict[int, dict[int, Any]] = {}
    for module in [one for one in gc.get_objects() if issubclass(type(one), torch.nn.Module)]:
        own = vars(module)  # __getattr__ of a module may do anything
        for tensor in itertools.chain(own.get("_parameters", {}).values(), own.get("_buffers", {}).values()):
            if type(tensor) not in plain or tensor.is_inference():  # the latter keep no other's memory
                continue
            if tensor.device.type == "cpu" and tensor.layout is torch.strided:
                found.setdefault(tensor.untyped_storage().data_ptr(), {})[id(tensor)] = tensor
    for tensors in found.values():
        together = list(tensors.values())
        if together[0].untyped_storage().nbytes() >= _LEAST:
            yield together


class _File:
    """The file in memory: contents one behind the other, each on pages of its own."""

    def __init__(self, descriptor: int, torch: Any) -> None:
        self._descriptor = descriptor
        self._torch = torch

    def common(self, content: Any) -> Any:
        """Return the same bytes as they lie in the file, where they are added if they are not there."""
        length = content.numel()
        view = (ctypes.c_char * length).from_address(content.data_ptr())
        head = length.to_bytes(8, "big") + zlib.crc32(memoryview(view)[:_START]).to_bytes(8, "big")
        with log.alone(self._descriptor):
            at, end = 0, os.fstat(self._descriptor).st_size
            while at < end:
                found = os.pread(self._descriptor, _HEAD, at)
                if found == head and self._torch.equal(mapped := self._mapped(at, length), content):
                    return mapped
                at += mmap.PAGESIZE + _pages(int.from_bytes(found[:8], "big"))
            self._add(at, head, memoryview(view).cast("B"))
            return self._mapped(at, length)

    def _add(self, at: int, head: bytes, content: memoryview) -> None:
        os.ftruncate(self._descriptor, at + mmap.PAGESIZE + _pages(len(content)))
        os.pwrite(self._descriptor, head, at)
        written = 0
        while written < len(content):
            written += os.pwrite(self._descriptor, content[written:], at + mmap.PAGESIZE + written)

    def _mapped(self, at: int, length: int) -> Any:
        may = mmap.PROT_READ | mmap.PROT_WRITE
        mapped = mmap.mmap(self._descriptor, length, mmap.MAP_PRIVATE, may, offset=at + mmap.PAGESIZE)
        return self._torch.frombuffer(mapped, dtype=self._torch.uint8)


def _pages(length: int) -> int:
    return -(-length // mmap.PAGESIZE) * mmap.PAGESIZE
