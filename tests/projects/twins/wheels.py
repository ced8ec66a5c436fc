"""Families 1 and 6: what wheels say of themselves, as it is remembered of a lock."""

from __future__ import annotations

from seatrial.facts.packages.wheels import File, Wheel, Wheels
from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.twins.locks import CPU, LOCK, NO_MANIFEST, SETTINGS, of

DIGEST = f"@sha256:{'0' * 64}"


def known(*wheels: Wheel, fault: str = "", unknown: tuple[str, ...] = ()) -> Wheels:
    return Wheels({wheel.name: wheel for wheel in wheels}, unknown, "index", fault)


def sized(**gigabytes: float) -> Wheels:
    return known(*(Wheel(name, PINS[name], unpacked=int(size * 1e9)) for name, size in gigabytes.items()))


def needing(name: str, *requires: str) -> Wheels:
    return known(Wheel(name, PINS[name], requires=requires))


def with_files(name: str, *files: str, locked: bool = True, tags: tuple[str, ...] = ()) -> Wheels:
    return known(Wheel(name, PINS[name], files=tuple(File(file, locked) for file in files), tags=tags))


def built(cuda: str, *needed: str) -> Wheels:
    return known(Wheel("torch", "2.8.0", cuda=cuda), Wheel("torchvision", "0.23.0", needed=("libc10.so", *needed)))


MACHINES = {"NVIDIA_L4": "g2-standard-4", "NVIDIA_TESLA_A100": "a2-highgpu-1g", "NVIDIA_H100_80GB": "a3-highgpu-1g"}


def accelerated(kind: str) -> Files:
    machine = MACHINES.get(kind, "n1-standard-4")
    settings = f'[tool.seatrial.vertex]\nmachine-type = "{machine}"\naccelerator-type = "{kind}"\n'
    return {"pyproject.toml": f"{SETTINGS}\n{settings}"}


def labelled(torch: str, torchvision: str) -> Files:
    """Give a project that asks an index of its own for labelled builds."""
    return {
        "requirements.in": "--index-url https://packages.example/cuda\n"
        f"torch==2.8.0+{torch}\ntorchvision==0.23.0+{torchvision}\npillow\n",
        "requirements.txt": "--index-url https://packages.example/cuda\n"
        + lock({**PINS, "torch": f"2.8.0+{torch}", "torchvision": f"0.23.0+{torchvision}"}),
    }


def based(base: str) -> Files:
    return {"pyproject.toml": f'{SETTINGS}\n[tool.seatrial.image]\nbase = "{base}{DIGEST}"\n'}


OLD: Files = of(torch="2.1.2", torchvision="0.16.2", numpy="1.26.4")
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
    Twin("ST115", "Alpine", {"Dockerfile": "FROM python:3.11-alpine\n"},
         {"Dockerfile": "FROM python:3.11-slim-bookworm\n"}, warns=True),
    Twin("ST115", "by an argument", {"Dockerfile": "ARG TAG=18.04\nFROM ubuntu:${TAG}\n"},
         {"Dockerfile": "ARG TAG=22.04\nFROM ubuntu:${TAG}\n"}, warns=True),
    Twin("ST115", "as configured", based("docker.io/library/python:3.11-stretch"),
         based("docker.io/library/python:3.11-slim"), warns=True),
    Twin("ST115", "for an older torch", {**OLD, "Dockerfile": "FROM docker.io/library/alpine:3.20\n"},
         {**OLD, "Dockerfile": "FROM ubuntu:18.04\n"}, warns=True),
    Twin("ST116", "another version", {}, wheels=needing("torch", "numpy<2"),
         mended_wheels=needing("torch", "numpy<3", 'numpy<2; python_version < "3.9"', 'numpy<2; extra == "old"')),
    Twin("ST116", "one that is not there", {}, wheels=needing("torchvision", "requests"),
         mended_wheels=needing("torchvision", 'requests; sys_platform == "win32"')),
    Twin("ST116", "by a marker", {}, wheels=needing("pillow", 'defusedxml; python_version >= "3.11"'),
         mended_wheels=needing("pillow", 'defusedxml; extra == "xmp"')),
    Twin("ST116", "setuptools", {"requirements.txt": LOCK + lock({"setuptools": "82.0.0"})},
         {"requirements.txt": LOCK + lock({"setuptools": "81.0.0"})}, wheels=needing("torch", "setuptools<82")),
    Twin("ST117", "only its source", {}, warns=True, wheels=with_files("numpy", "numpy-2.3.3.tar.gz"),
         mended_wheels=with_files("numpy", MANYLINUX, tags=("cp311-cp311-manylinux_2_28_x86_64",))),
    Twin("ST117", "for another Python", {}, wheels=with_files("numpy", "numpy-2.3.3-cp312-cp312-manylinux_2_28_x86_64.whl"),
         mended_wheels=with_files("numpy", MANYLINUX, tags=("cp311-cp311-manylinux_2_28_x86_64",))),
    Twin("ST117", "for another system", {}, wheels=with_files("pillow", "pillow-11.3.0-cp311-cp311-win_amd64.whl"),
         mended_wheels=with_files("pillow", "pillow-11.3.0-py3-none-any.whl", tags=("py3-none-any",))),
    *(
        Twin("ST118", name, {}, warns=True, wheels=with_files(*files, locked=False),
             mended_wheels=with_files(*files, tags=("py3-none-any",)))
        for name, files in {
            "of one wheel": ("numpy", MANYLINUX),
            "published again": ("torch", "torch-2.8.0-3-cp311-cp311-manylinux_2_28_x86_64.whl"),
            "of wheel and source": ("pillow", "pillow-11.3.0.tar.gz", "pillow-11.3.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
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
    Twin("ST125", "by their labels", labelled("cu128", "cpu"), labelled("cu128", "cu128")),
    Twin("ST125", "one without a label", {
        "requirements.in": "--index-url https://packages.example/cuda\ntorch==2.8.0+cu126\ntorchvision\npillow\n",
        "requirements.txt": "--index-url https://packages.example/cuda\n" + lock({**PINS, "torch": "2.8.0+cu126"}),
    }, labelled("cu126", "cu126")),
    Twin("ST125", "CUDA in its library", {}, wheels=built("", "libcudart.so.12", "libc10_cuda.so", "libtorch_cuda.so"),
         mended_wheels=built("")),
    Twin("ST125", "another CUDA in its library", {}, wheels=built("12.8", "libcudart.so.13", "libc10_cuda.so"),
         mended_wheels=built("12.8", "libcudart.so.12", "libc10_cuda.so")),
    Twin("ST125", "in the CPU lock", {"requirements-cpu.txt": CPU + lock(
        {**PINS, "torch": "2.8.0+cpu", "torchvision": "0.23.0+cpu"})},
        wheels=built("", "libc10_cuda.so"), mended_wheels=built(""), count=2),
    *(
        Twin("ST611", name, {**accelerated(old), **files, **NO_MANIFEST}, {**accelerated(new), **files, **NO_MANIFEST})
        for name, old, new, files in (
            ("Volta with CUDA 13", "NVIDIA_TESLA_V100", "NVIDIA_TESLA_T4", of(torch="2.13.0", torchvision="0.28.0")),
            ("Pascal with 2.8", "NVIDIA_TESLA_P100", "NVIDIA_TESLA_V100", {}),
            ("a P4 with the newest", "NVIDIA_TESLA_P4", "NVIDIA_L4", of(torch="2.15.0", torchvision="0.29.2")),
            ("Hopper with an old torch", "NVIDIA_H100_80GB", "NVIDIA_TESLA_A100",
             of(torch="2.0.1", torchvision="0.15.2", numpy="1.26.4")),
        )
    ),
    *(
        Twin("ST612", kind, {**accelerated(kind), **labelled("cpu", "cpu")},
             {**accelerated(kind), **labelled("cu128", "cu128")}, warns=True)
        for kind in ("NVIDIA_L4", "NVIDIA_TESLA_T4", "NVIDIA_TESLA_A100")
    ),
)  # fmt: skip
