"""Installers: why pip, uv and pip-tools do not install a lock."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "uv: no wheel of torch for the platform": Said(
        "  Because torch==2.6.0 has no wheels with a matching platform tag (e.g., `macosx_15_0_x86_64`) and you require "
        "torch==2.6.0, we can conclude that your requirements are unsatisfiable.",
        "ST121",
        (r"no wheel of torch==2\.6\.0", r"Linux x86-64"),
    ),
    "uv: only labelled wheels": Said(
        "error: Distribution `torchvision==0.24.0 @ registry+https://index.example/cpu` can't be installed because it "
        "doesn't have a source distribution or wheel for the current platform",
        "ST121",
        (r"torchvision==0\.24\.0 for this platform", r"label"),
    ),
    "pip-tools and what pip parses": Said(
        raised(
            "AttributeError: 'ParsedRequirement' object has no attribute 'editable'",
            "piptools/repositories/pypi.py|if not ireq.editable:",
        ),
        "ST165",
        (r"upgrade pip-tools",),
    ),
    "dependencies of another platform": Said(
        "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n"
        "    nvidia-cublas-cu12==12.8 from https://files.example/n.whl (from torch==2.9.1->-r requirements.txt (line "
        "2))\n"
        "    triton from https://files.example/t.whl (from torch==2.9.1->-r requirements.txt (line 2))\n",
        "ST116",
        (r"nvidia-cublas-cu12, triton", r"macOS", r"seatrial lock"),
    ),
    "dependencies of another release": Said(
        "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n"
        "    tomli from https://files.example/t.whl (from build==1.2->-r requirements.txt (line 9))\n",
        "ST116",
        (r"tomli, for which build asks",),
        (r"NVIDIA", r"CUDA"),
    ),
    "lines of the file itself": Said(
        "ERROR: In --require-hashes mode, all requirements must have their versions pinned with ==. These do not:\n"
        "    click (from -r requirements.txt (line 3))\n",
        "ST102",
        (r"does not pin click",),
        (r"macOS",),
    ),
    "pip-tools": Said(
        raised(
            "TypeError: make_requirement_preparer() missing 1 required keyword-only argument: 'verbosity'",
            "/opt/python/bin/pip-compile|sys.exit(cli())",
            "piptools/repositories/pypi.py|return self.command.make_requirement_preparer(",
            "pip/_internal/cli/req_command.py|def make_requirement_preparer(",
        ),
        "ST165",
        (r"pip-tools is too old", r"--upgrade pip-tools"),
    ),
    "pip-tools about the user's file": Said(
        raised(
            "TypeError: unsupported operand type(s)",
            "piptools/scripts/compile.py|results = resolver.resolve()",
            "/app/setup.py|version = 1 + '2'",
        ),
        "",
        (),
        (r"pip-tools is too old",),
    ),
    "first index": Said(
        "  hint: `numpy` was found on https://download.pytorch.org/whl/cpu, but not at the requested version "
        "(numpy==2.4). A\n"
        "  compatible version may be available on a subsequent index (e.g., https://index.example/simple).",
        "ST164",
        (r"explicit = true", r"unsafe-best-match"),
    ),
    "another Python": Said(
        "ERROR: Ignored the following versions that require a different python version: 2.3.0 Requires-Python >=3.11\n"
        "ERROR: Could not find a version that satisfies the requirement numpy==2.3.0 (from versions: 1.26.4, 2.2.6)\n"
        "ERROR: No matching distribution found for numpy==2.3.0",
        "ST142",
        (r"needs Python >=3\.11",),
    ),
    "a version that the index lacks": Said(
        "ERROR: Could not find a version that satisfies the requirement pillow==99.0 (from versions: 10.0, 11.0, 12.0)",
        "ST142",
        (r"10\.0 to 12\.0",),
    ),
    "no version at all": Said(
        "ERROR: Could not find a version that satisfies the requirement mypkg==1.0 (from versions: none)",
        "ST142",
        (r"another index or misspelt", r"Alpine"),
    ),
    "401": Said(
        "  Caused by: HTTP status client error (401 Unauthorized) for url "
        "(https://us-central1-python.pkg.dev/p/r/simple/x/)",
        "ST166",
        (r"keyring",),
    ),
    "an index that was not reached": Said(
        "WARNING: Retrying (Retry(total=4)) after connection broken by 'NewConnectionError(...)': /simple/torch/\n"
        "ERROR: Could not find a version that satisfies the requirement torch==2.9.1 (from versions: none)\n"
        "ERROR: No matching distribution found for torch==2.9.1",
        "ST145",
        (),
        (r"no wheel for this Python",),
    ),
    "403 of a public index": Said(
        "error: Failed to fetch: `https://download.pytorch.org/whl/cu999/torch/`\n"
        "  Caused by: HTTP status client error (403 Forbidden) for url (https://download.pytorch.org/whl/cu999/torch/)",
        "ST166",
        (r"does not have",),
        (r"does not answer",),
    ),
    "system's Python": Said("error: externally-managed-environment", "ST167", (r"virtual environment",)),
    "contradiction": Said(
        "ERROR: pip's dependency resolver does not currently take into account all the packages that are installed.\n"
        "fastai 2.7.0 requires torch<2.2, but you have torch 2.9.1 which is incompatible.",
        "ST111",
        (r"fastai 2\.7\.0 requires torch<2\.2, and torch 2\.9\.1 is installed",),
    ),
    "healthy": Said("Collecting torch==2.9.1\nSuccessfully installed torch-2.9.1", ""),
    "a label, of a release that this platform lacks": Said(
        "#11 1.961 ERROR: Could not find a version that satisfies the requirement torch==1.4.0+cpu (from versions: "
        "1.8.0, 1.8.1, 1.11.0)\n#11 1.961 ERROR: No matching distribution found for torch==1.4.0+cpu\n",
        "ST107",
        (r"1\.8\.0 to 1\.11\.0", r"ARM"),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
