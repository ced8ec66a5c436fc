"""Family 1, wheels: the pairs of projects."""

from __future__ import annotations

from seatrial.facts.packages.wheels import File, Wheel, Wheels
from tests.projects.base import PINS, Twin, lock
from tests.projects.locks import LOCK
from tests.projects.wheels import known


def sized(**gigabytes: float) -> Wheels:
    return known(*(Wheel(name, PINS[name], unpacked=int(size * 1e9)) for name, size in gigabytes.items()))


def needing(name: str, *requires: str) -> Wheels:
    return known(Wheel(name, PINS[name], requires=requires))


def with_files(name: str, *files: str, locked: bool = True, tags: tuple[str, ...] = ()) -> Wheels:
    return known(Wheel(name, PINS[name], files=tuple(File(file, locked) for file in files), tags=tags))


MANYLINUX = "numpy-2.3.3-cp311-cp311-manylinux_2_28_x86_64.whl"

TWINS = (
    *(
        Twin("ST106", name, {}, warns=True, wheels=large, mended_wheels=sized(torch=1.9, torchvision=0.1))
        for name, large in {
            "one wheel": sized(torch=14.1),
            "together": sized(torch=9.0, torchvision=2.0, numpy=3.5),
            "while unpacking": known(Wheel("torch", "2.8.0", packed=8_000_000_000)),
        }.items()
    ),
    Twin(
        "ST116",
        "another version",
        {},
        wheels=needing("torch", "numpy<2"),
        mended_wheels=needing("torch", "numpy<3", 'numpy<2; python_version < "3.9"', 'numpy<2; extra == "old"'),
    ),
    Twin(
        "ST116",
        "one that is not there",
        {},
        wheels=needing("torchvision", "requests"),
        mended_wheels=needing("torchvision", 'requests; sys_platform == "win32"'),
    ),
    Twin(
        "ST116",
        "by a marker",
        {},
        wheels=needing("pillow", 'defusedxml; python_version >= "3.11"'),
        mended_wheels=needing("pillow", 'defusedxml; extra == "xmp"'),
    ),
    Twin(
        "ST116",
        "setuptools",
        {"requirements.txt": LOCK + lock({"setuptools": "82.0.0"})},
        {"requirements.txt": LOCK + lock({"setuptools": "81.0.0"})},
        wheels=needing("torch", "setuptools<82"),
    ),
    Twin(
        "ST117",
        "only its source",
        {},
        warns=True,
        wheels=with_files("numpy", "numpy-2.3.3.tar.gz"),
        mended_wheels=with_files("numpy", MANYLINUX, tags=("cp311-cp311-manylinux_2_28_x86_64",)),
    ),
    Twin(
        "ST117",
        "for another Python",
        {},
        wheels=with_files("numpy", "numpy-2.3.3-cp312-cp312-manylinux_2_28_x86_64.whl"),
        mended_wheels=with_files("numpy", MANYLINUX, tags=("cp311-cp311-manylinux_2_28_x86_64",)),
    ),
    Twin(
        "ST117",
        "its source, and wheels for another Python",
        {},
        wheels=with_files("numpy", "numpy-2.3.3.tar.gz", "numpy-2.3.3-cp312-cp312-manylinux_2_28_x86_64.whl"),
        mended_wheels=with_files("numpy", MANYLINUX, tags=("cp311-cp311-manylinux_2_28_x86_64",)),
    ),
    Twin(
        "ST117",
        "for another system",
        {},
        wheels=with_files("pillow", "pillow-11.3.0-cp311-cp311-win_amd64.whl"),
        mended_wheels=with_files("pillow", "pillow-11.3.0-py3-none-any.whl", tags=("py3-none-any",)),
    ),
    *(
        Twin(
            "ST118",
            name,
            {},
            warns=True,
            wheels=with_files(*files, locked=False),
            mended_wheels=with_files(*files, tags=("py3-none-any",)),
        )
        for name, files in {
            "of one wheel": ("numpy", MANYLINUX),
            "published again": ("torch", "torch-2.8.0-3-cp311-cp311-manylinux_2_28_x86_64.whl"),
            "of wheel and source": (
                "pillow",
                "pillow-11.3.0.tar.gz",
                "pillow-11.3.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            ),
        }.items()
    ),
    *(
        Twin("ST119", name, {}, warns=True, wheels=known(fault=fault, unknown=names), mended_wheels=known())
        for name, fault, names in (
            ("of all", "packages.example does not answer: timed out", tuple(PINS)),
            ("of one", "packages.example answers 503 for torch", ("torch",)),
            ("of some", "no index is configured that could be asked", ("pillow", "numpy")),
        )
    ),
)
