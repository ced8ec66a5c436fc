"""Logins of package indexes: into a file that pip and uv read, and nowhere else."""

from __future__ import annotations

import netrc
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.conftest import ROOT
from tests.local_index import serving

SCRIPT = ROOT / ".github/actions/seatrial/logins.py"


def ran(folder: Path, **secrets: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), str(folder)], env=secrets, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip


def test_logins_are_in_a_file_for_this_user_alone_and_each_password_is_hidden(tmp_path: Path) -> None:
    url = "https://robot:p%40ss@packages.example:8443/a/simple"
    done = ran(tmp_path, INDEX_URL=url, LOGINS="machine other.example login me password tok3n\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["::add-mask::p@ss", "::add-mask::tok3n"]
    assert (tmp_path / "index-url").read_text() == "https://packages.example:8443/a/simple\n"
    file = tmp_path / "netrc"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = netrc.netrc(file)
    assert found.authenticators("packages.example") == ("robot", "", "p@ss")
    assert found.authenticators("other.example") == ("me", "", "tok3n")


def test_a_token_alone_is_a_password_and_an_index_without_login_has_none(tmp_path: Path) -> None:
    assert ran(tmp_path, INDEX_URL="https://tok3n@packages.example/simple").returncode == 0
    assert netrc.netrc(tmp_path / "netrc").authenticators("packages.example") == ("__token__", "", "tok3n")
    assert ran(tmp_path, INDEX_URL="https://mirror.example/simple").stdout == ""
    assert (tmp_path / "index-url").read_text() == "https://mirror.example/simple\n"
    assert not netrc.netrc(tmp_path / "netrc").hosts


def test_a_password_is_hidden_as_the_runner_reads_the_command(tmp_path: Path) -> None:
    done = ran(tmp_path, LOGINS="machine a.example login me password to%25k\n")
    assert done.stdout == "::add-mask::to%2525k\n"


def test_a_session_installs_from_the_index_in_place_of_pypi_and_no_variable_of_it_holds_the_password(
    tmp_path: Path,
) -> None:
    home = tmp_path / "seatrial"
    program = home / "python/bin/python"  # what nox.sh starts; here it says its environment and installs with uv
    program.parent.mkdir(parents=True)
    options = '--no-cache --quiet --no-deps --target "$RUNNER_TEMP/installed"'
    install = f'exec "{find_uv_bin()}" pip install {options} greeting==1.0'
    program.write_text(f"#!/bin/sh\nenv\n{install}\n")
    program.chmod(0o755)
    with serving(tmp_path / "wheels") as index:
        index.add("greeting", "1.0", content="hello")
        index.login = "robot:p@ss"
        assert ran(home, INDEX_URL=index.url.replace("//", "//robot:p%40ss@")).returncode == 0
        done = subprocess.run(
            ["bash", str(SCRIPT.with_name("nox.sh")), "-s", "smoke"], cwd=tmp_path, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path)}, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"PIP_INDEX_URL={index.url}" in done.stdout.splitlines()
    assert (tmp_path / "installed/greeting.py").read_text() == "CONTENT = 'hello'\n"
    assert "p@ss" not in done.stdout
    assert "p%40ss" not in done.stdout


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        ({"LOGINS": "machine a.example\nlogin me pass s3cret"}, "line 2 of the secret netrc"),
        ({"INDEX_URL": "packages.example/s3cret"}, "no address of an index"),
        (
            {
                "INDEX_URL": "https://me:s3cret@a.example/simple",
                "LOGINS": "machine a.example login me password s3cret2",
            },
            "both have a login for a.example",
        ),
        ({"INDEX_URL": "https://me:[s3cret]@packages.example/simple"}, "no address of an index"),
        ({"INDEX_URL": "https://me:s3cret\u2100@packages.example/simple"}, "no address of an index"),
        ({"INDEX_URL": "https://me:s3cret/word@packages.example/simple"}, "no address of an index"),
        ({"INDEX_URL": "https://me:s3cret%20word@packages.example/simple"}, "has blanks"),
    ],
)
def test_a_secret_that_cannot_be_used_is_refused_in_words_that_do_not_hold_it(
    tmp_path: Path, secrets: dict[str, str], says: str
) -> None:
    done = ran(tmp_path, **secrets)
    assert done.returncode == 1
    assert says in done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert not (tmp_path / "netrc").exists()
