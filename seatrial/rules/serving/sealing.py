"""Family 5, the seal: what the predictor takes from the machine that it runs on, and that no image brings along.

Only the trial shows it. It refuses all that a slim image lacks, and names what the project's code asked for, also where
the code does without it.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

_SLIM = "https://github.com/docker-library/python/blob/master/Dockerfile-linux.template"
_KEPT = "or name it in `smoke.image-has` if the base image really has it"

HOST_FILE = Rule(
    code="ST530",
    title="the predictor reads a file of this machine",
    explanation=(
        "The file lies outside the environment, the package, the artifacts and what a slim Python image holds. It "
        "exists on this machine and not in the image, so the predictor fails there, or goes on without it and answers "
        "otherwise than here. Python names such a call where its own code makes it. What the C code of a library tries "
        "is refused as well, so that the trial's answers are those of the image, but where it goes on without the file "
        "it is not named."
    ),
    fix=f"put the file into the artifacts or the package and open it from there, {_KEPT}",
    cloud="FileNotFoundError: [Errno 2] No such file or directory",
    sources=(_SLIM,),
)

HOST_PROGRAM = Rule(
    code="ST531",
    title="the predictor starts a program of this machine",
    explanation=(
        "The program is installed on this machine and not in a slim Python image, which has no compiler, no git and no "
        "tools for images or video."
    ),
    fix=f"use a distribution from requirements.in instead, {_KEPT}",
    cloud="FileNotFoundError: [Errno 2] No such file or directory",
    sources=(_SLIM,),
)

HOST_LIBRARY = Rule(
    code="ST532",
    title="the predictor loads a library of this machine",
    explanation=(
        "The shared library is installed on this machine and not in a slim Python image. The loader finds it here and "
        "not there."
    ),
    fix=f"use a distribution whose wheel brings the library along, {_KEPT}",
    cloud="OSError: cannot open shared object file: No such file or directory",
    sources=(_SLIM,),
)
