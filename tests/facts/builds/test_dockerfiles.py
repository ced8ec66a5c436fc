"""Dockerfiles as facts: what is installed, and what the image starts."""

from __future__ import annotations

import pytest

from seatrial.facts.builds.dockerfiles import read
from seatrial.facts.builds.files import BuildFile


def dockerfile(text: str) -> BuildFile:
    return read("Dockerfile", text)


@pytest.mark.parametrize(
    ("line", "wanted", "options"),
    [
        ("RUN pip install torch==2.8.0", ["torch==2.8.0"], []),
        ("run pip3.11 install -U 'torch>=2'", ["torch>=2"], [("-U", "")]),
        ("RUN --mount=type=cache,target=/x python -m pip install a", ["a"], []),
        ("RUN /opt/venv/bin/pip install -r r.txt a", ["a"], [("-r", "r.txt")]),
        ('RUN ["pip", "install", "a"]', ["a"], []),
        ("RUN apt-get update && \\\n    # why\n    pip install \\\n    a; rm -rf /x", ["a"], []),
        ("RUN uv pip install --system --index-url=https://a.example a", ["a"],
         [("--system", ""), ("--index-url", "https://a.example")]),
        ("RUN PIP_NO_CACHE_DIR=1 pip install a", ["a"], []),
    ],
)  # fmt: skip
def test_an_install_is_read_in_every_spelling(line: str, wanted: list[str], options: list[tuple[str, str]]) -> None:
    (install,) = dockerfile(f"FROM a\n{line}\n").installs
    assert [str(requirement) for requirement in install.requirements] == wanted
    assert list(install.options) == options
    assert install.location.line == 2


@pytest.mark.parametrize(
    "line", ["RUN pip freeze", "RUN echo pip", "CMD pip install a", "# RUN pip install a", "RUN ["]
)
def test_what_installs_nothing_is_not_an_install(line: str) -> None:
    assert dockerfile(f"FROM a\n{line}\n").installs == ()


def test_stages_and_their_bases_are_told_apart() -> None:
    text = "ARG V=3.11\nFROM --platform=linux/amd64 python:${V} AS b\nRUN pip install a\nFROM x\nRUN pip install b\n"
    file = dockerfile(text)
    assert [base.text for base in file.bases] == ["python:3.11", "x"]
    assert [install.stage for install in file.installs] == [1, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('CMD ["gunicorn", "app:app"]', ["gunicorn", "app:app"]),
        ("CMD gunicorn app:app", ["gunicorn", "app:app"]),
        ("CMD exec PYTHONUNBUFFERED=1 gunicorn app:app", ["gunicorn", "app:app"]),
        ('CMD ["sh", "-c", "exec gunicorn app:app"]', ["gunicorn", "app:app"]),
        ('ENTRYPOINT ["gunicorn"]\nCMD ["app:app"]', ["gunicorn", "app:app"]),
        ('CMD ["app:app"]\nENTRYPOINT ["gunicorn"]', ["gunicorn"]),
        ("CMD a b\nCMD c", ["c"]),
        ("FROM a AS serve\nCMD c\nFROM serve", ["c"]),
        ("CMD c\nFROM b", []),
        ("CMD migrate && gunicorn app:app", []),
        ("CMD gunicorn app:app | tee log", []),
        ("CMD [", []),
    ],
)
def test_what_an_image_starts_is_known_if_it_is_one_program(text: str, words: list[str]) -> None:
    assert list(dockerfile(f"FROM a\n{text}\n").starts) == words


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("ENV A=1 B='x y'", {"A": "1", "B": "x y"}),
        ("ENV A 1 2", {"A": "1 2"}),
        ("ENV A=1 \\\n    B=2", {"A": "1", "B": "2"}),
        ("ENV A=1\nENV A=2", {"A": "2"}),
        ("ENV A=1\nFROM b", {}),
    ],
)
def test_the_variables_are_those_of_the_image_that_is_made(text: str, variables: dict[str, str]) -> None:
    assert {named.setting: named.text for named in dockerfile(f"FROM a\n{text}\n").variables} == variables


@pytest.mark.parametrize(
    ("command", "packages"),
    [
        ("apt-get update && apt-get install -y --no-install-recommends g++ libgl1=1.0", {"g++", "libgl1"}),
        ("sudo apt install -y gcc", {"gcc"}),
        ("apk add --no-cache build-base", {"build-base"}),
        ("conda install -c conda-forge gxx", {"conda-forge", "gxx"}),
        ("apt-get update", set()),
    ],
)
def test_the_packages_of_the_system_are_read(command: str, packages: set[str]) -> None:
    assert dockerfile(f"FROM a\nRUN {command}\n").packages == packages


def test_what_is_copied_is_named_by_its_place_in_the_context() -> None:
    file = dockerfile('FROM a\nCOPY --chown=1:1 a b/ /app/\nCOPY --from=x c /c\nADD ["d e", "/d"]\n')
    assert [source.text for source in file.copies] == ["a", "b/", "d e"]
