"""Certificates that tests make for servers of their own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def make(folder: Path, *hosts: str) -> tuple[Path, Path]:
    """Make a certificate for hosts, valid for a day; return its file and the file of its key."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl, which is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ",".join(f"DNS:{host}" for host in hosts)
    options = ["-subj", f"/CN={hosts[0]}", "-addext", f"subjectAltName={names}", "-days", "1"]
    subprocess.run(
        [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", *options, "-keyout", key, "-out", certificate],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return certificate, key
