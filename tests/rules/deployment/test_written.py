"""Deployments that scripts, commands and configurations ask for: every spelling of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.rules.deployment.written import deployments
from tests.projects.base import made

SDK = "from google.cloud import aiplatform\n"
GAPIC = "from google.cloud.aiplatform_v1 import AcceleratorType as A, MachineSpec\nMachineSpec("
DEPLOY = "gcloud ai endpoints deploy-model 1"


@pytest.mark.parametrize(
    ("path", "text", "asked"),
    [
        ("a.py", f"{SDK}aiplatform.Model('m').deploy(machine_type='m', accelerator_type='NVIDIA_L4')\n",
         ("m", "NVIDIA_L4", 1)),
        ("a.py", f"{SDK}M = 'm'\n\ndef go(e):\n    e.deploy(machine_type=M, traffic_percentage=1)\n", ("m", "", 0)),
        ("a.py", f"{GAPIC}machine_type='m', accelerator_type=A.NVIDIA_L4, accelerator_count=2)\n",
         ("m", "NVIDIA_L4", 2)),
        ("a.py", f"{SDK}import os\naiplatform.Model('m').deploy(machine_type=os.environ['M'])\n", None),
        ("a.py", f"{SDK}aiplatform.Model('m').deploy(machine_type='m', **more)\n", None),
        ("a.sh", f"{DEPLOY} --machine-type=m \\\n  --accelerator=type=nvidia-tesla-t4,count=2\n",
         ("m", "NVIDIA_TESLA_T4", 2)),
        ("a.sh", "gcloud beta ai endpoints deploy-model 1 --machine-type m\n", ("m", "", 0)),
        ("a.sh", f"{DEPLOY} --machine-type=$MACHINE\n", None),
        ("Makefile", f"deploy:\n\t{DEPLOY} --machine-type=m && echo\n", ("m", "", 0)),
        ("a.tf", 'machine_spec {\n  machine_type = "m"\n  accelerator_type = "NVIDIA_L4"\n  accelerator_count = 2\n}\n',
         ("m", "NVIDIA_L4", 2)),
        ("a.tf", "machine_spec {\n  machine_type = var.machine\n}\n", None),
    ],
)  # fmt: skip
def test_a_deployment_is_read_in_every_spelling(
    tmp_path: Path, path: str, text: str, asked: tuple[str, str, int] | None
) -> None:
    found = [(d.machine, d.accelerator, d.count) for d in deployments(gather(made(tmp_path, {path: text})))]
    assert found == ([asked] if asked else [])
