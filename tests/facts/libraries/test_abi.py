"""Which numpy a compiled module was built for, by the names in it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from seatrial.facts.libraries.abi import built_for_numpy_1

ONE = b"\x7fELF..numpy.core._multiarray_umath\0_ARRAY_API\0"
TWO = b"\x7fELF..numpy._core._multiarray_umath\0numpy.core._multiarray_umath\0_ARRAY_API\0"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"kelp/a.so": ONE}, "kelp/a.so"),
        ({"kelp/a.so": TWO}, ""),
        ({"kelp/a.so": b"\x7fELF", "kelp/bb.so": ONE}, "kelp/bb.so"),
        ({"kelp/a.so": b"numpy.core.multiarray"}, ""),
        ({"kelp.libs/libblas.so": ONE}, ""),
        ({"kelp/a.py": ONE}, ""),
        ({}, ""),
    ],
)
def test_what_names_only_the_old_module_was_built_for_numpy_1(files: Mapping[str, bytes], found: str) -> None:
    assert built_for_numpy_1(files, files.get) == found
