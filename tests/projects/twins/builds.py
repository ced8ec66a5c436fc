"""Family 1, builds: the pairs of projects."""

from __future__ import annotations

from seatrial.facts.packages.wheels import Wheel, Wheels
from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.locks import CPU, SETTINGS, of
from tests.projects.wheels import known, labelled

DIGEST = f"@sha256:{'0' * 64}"


def built(cuda: str, *needed: str) -> Wheels:
    return known(Wheel("torch", "2.8.0", cuda=cuda), Wheel("torchvision", "0.23.0", needed=("libc10.so", *needed)))


def based(base: str) -> Files:
    return {"pyproject.toml": f'{SETTINGS}\n[tool.seatrial.image]\nbase = "{base}{DIGEST}"\n'}


OLD: Files = of(torch="2.1.2", torchvision="0.16.2", numpy="1.26.4")

TWINS = (
    Twin(
        "ST115",
        "Alpine",
        {"Dockerfile": "FROM python:3.11-alpine\n"},
        {"Dockerfile": "FROM python:3.11-slim-bookworm\n"},
        warns=True,
    ),
    Twin(
        "ST115",
        "by an argument",
        {"Dockerfile": "ARG TAG=18.04\nFROM ubuntu:${TAG}\n"},
        {"Dockerfile": "ARG TAG=22.04\nFROM ubuntu:${TAG}\n"},
        warns=True,
    ),
    Twin(
        "ST115",
        "as configured",
        based("docker.io/library/python:3.11-stretch"),
        based("docker.io/library/python:3.11-slim"),
        warns=True,
    ),
    Twin(
        "ST115",
        "for an older torch",
        {**OLD, "Dockerfile": "FROM docker.io/library/alpine:3.20\n"},
        {**OLD, "Dockerfile": "FROM ubuntu:18.04\n"},
        warns=True,
    ),
    Twin("ST125", "by their labels", labelled("cu128", "cpu"), labelled("cu128", "cu128")),
    Twin(
        "ST125",
        "one without a label",
        {
            "requirements.in": "--index-url https://packages.example/cuda\ntorch==2.8.0+cu126\ntorchvision\npillow\n",
            "requirements.txt": "--index-url https://packages.example/cuda\n" + lock({**PINS, "torch": "2.8.0+cu126"}),
        },
        labelled("cu126", "cu126"),
    ),
    Twin(
        "ST125",
        "CUDA in its library",
        {},
        wheels=built("", "libcudart.so.12", "libc10_cuda.so", "libtorch_cuda.so"),
        mended_wheels=built(""),
    ),
    Twin(
        "ST125",
        "another CUDA in its library",
        {},
        wheels=built("12.8", "libcudart.so.13", "libc10_cuda.so"),
        mended_wheels=built("12.8", "libcudart.so.12", "libc10_cuda.so"),
    ),
    Twin(
        "ST125",
        "in the CPU lock",
        {"requirements-cpu.txt": CPU + lock({**PINS, "torch": "2.8.0+cpu", "torchvision": "0.23.0+cpu"})},
        wheels=built("", "libc10_cuda.so"),
        mended_wheels=built(""),
        count=2,
    ),
)
