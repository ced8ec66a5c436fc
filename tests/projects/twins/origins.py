"""Family 8, origins: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.locks import HASHED, INDEX, LOCK, SETTINGS, asked, dockerfile


def locked(*lines: str) -> Files:
    """Return lines of an index in requirements.in and in the lock alike, as `seatrial lock` writes them."""
    return {**asked(*lines), "requirements.txt": "".join(f"{line}\n" for line in lines) + LOCK}


TWINS = (
    *(
        Twin("ST804", name, dockerfile(line), dockerfile(HASHED), warns=True)
        for name, line in {
            "a repository": "RUN pip install git+https://github.com/example/layers.git@main",
            "editable": "RUN pip3 install -e git+https://github.com/example/layers#egg=layers",
            "an archive": "RUN python3.11 -m pip install https://packages.example/layers-1.0.tar.gz",
            "by name": "RUN uv pip install 'layers @ https://packages.example/layers-1.0-py3-none-any.whl'",
        }.items()
    ),
    *(
        Twin("ST807", name, broken, mended, warns=True)
        for name, broken, mended in (
            ("in requirements.in", locked(f"--extra-index-url {INDEX}"), locked(f"--index-url {INDEX}")),
            ("in a Dockerfile", dockerfile(f"{HASHED} --extra-index-url={INDEX}"), dockerfile(f"{HASHED} -i {INDEX}")),
            ("a variable", dockerfile(f'ENV PIP_EXTRA_INDEX_URL="{INDEX}"'), dockerfile(f"ENV PIP_INDEX_URL={INDEX}")),
            (
                "of uv",
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nextra-index-url = ["{INDEX}"]\n'},
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nindex-url = "{INDEX}"\n'},
            ),
            (
                "of pip",
                {"pip.conf": f"[global]\nextra-index-url =\n    {INDEX}\n"},
                {"pip.conf": f"[global]\nindex-url = {INDEX}\n"},
            ),
        )
    ),
    *(
        Twin("ST808", name, broken, mended, warns=True)
        for name, broken, mended in (
            ("in requirements.in", asked("--pre"), {}),
            ("in a Dockerfile", dockerfile("RUN pip install --pre torch"), dockerfile(HASHED)),
            (
                "an index",
                locked("--index-url https://download.pytorch.org/whl/nightly/cpu"),
                locked("--index-url https://download.pytorch.org/whl/cpu"),
            ),
            (
                "of uv",
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nprerelease = "allow"\n'},
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nprerelease = "disallow"\n'},
            ),
        )
    ),
    *(
        Twin("ST809", name, broken, mended, warns=True)
        for name, broken, mended in (
            (
                "in requirements.in",
                locked("--index-url http://packages.example/simple"),
                locked("--index-url http://localhost:3141/simple"),
            ),
            (
                "trusted in a Dockerfile",
                dockerfile(f"{HASHED} --trusted-host packages.example"),
                dockerfile(f"{HASHED} --trusted-host localhost"),
            ),
            (
                "of pip",
                {"pip.conf": "[global]\ntrusted-host = packages.example\n"},
                {"pip.conf": f"[global]\nindex-url = {INDEX}\n"},
            ),
        )
    ),
)
