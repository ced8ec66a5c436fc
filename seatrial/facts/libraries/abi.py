"""Which numpy the compiled modules of a wheel were built for, by the names in them. Nothing is loaded.

What uses numpy's C interface holds the name of the module that it takes it from. numpy 2 moved that module to
`numpy._core`, and what is built with numpy 2 names both, because it also runs with numpy 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_OLD = (b"numpy.core._multiarray_umath", b"numpy.core.multiarray")  # numpy/core/include/numpy/__multiarray_api.h, 1.26
_NEW = b"numpy._core"  # numpy/_core/include/numpy/__multiarray_api.h, 2.0
_INTERFACE = b"_ARRAY_API"
_MOST_FILES = 6


def built_for_numpy_1(files: Iterable[str], read: Callable[[str], bytes | None]) -> str:
    """Return the first compiled module that only numpy 1 can run; "" if the first that uses numpy runs with numpy 2."""
    modules = [file for file in files if file.endswith(".so") and ".libs/" not in file]
    for file in sorted(modules, key=lambda name: (name.count("/"), len(name)))[:_MOST_FILES]:
        content = read(file)
        if content and _INTERFACE in content and any(name in content for name in (*_OLD, _NEW)):
            return "" if _NEW in content else file
    return ""
