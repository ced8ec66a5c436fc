"""Deployments that scripts, commands and configurations of the project ask for. This module has no rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds.commands import Command
    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.facts.python.module import Module
    from seatrial.findings import Location

SDK = "google.cloud.aiplatform"


@dataclass(frozen=True, slots=True)
class Written:
    """A machine that a deployment asks for; `accelerator` is "" if it asks for none, None if that is not known."""

    machine: str
    accelerator: str | None
    count: int
    location: Location


def scripts_of_sdk(facts: Facts) -> Iterator[Module]:
    """Yield the scripts that import Google's SDK."""
    for script in facts.scripts:
        if any(name.startswith(SDK) for i in script.imports for name in i.candidates()):
            yield script


def deployments(facts: Facts) -> Iterator[Written]:
    """Yield the deployments whose machine is written out."""
    for script in scripts_of_sdk(facts):
        for call in script.uses.calls:
            if (call.method == "deploy" or call.name.endswith(".MachineSpec")) and not call.context.tried:
                yield from _by_call(call)
    for file in facts.builds.files:
        for command in file.commands:
            if command.runs("gcloud", "ai", "endpoints", "deploy-model"):
                yield from _by_command(command)
        for machine in file.machines:
            yield Written(machine.name, _normal(machine.accelerator), machine.count, machine.location)


def _by_call(call: Call) -> Iterator[Written]:
    machine = call.argument("machine_type")
    if machine is None or not isinstance(machine.constant, str) or call.is_open:
        return
    kind, count = call.argument("accelerator_type"), call.argument("accelerator_count")
    number = count.constant if count and type(count.constant) is int else 1 if count is None else 0
    if kind is None:
        yield Written(machine.constant, "", 0, call.location)
    elif (name := _accelerator(kind)) and number:
        yield Written(machine.constant, name, number, call.location)


def _accelerator(value: Value) -> str:
    """Return the type that a text or a member of AcceleratorType names; "" if it is not known."""
    if isinstance(value.constant, str):
        return _normal(value.constant)
    return value.name.rpartition(".")[2] if ".AcceleratorType." in value.name else ""


def _by_command(command: Command) -> Iterator[Written]:
    machine, asked = command.option("--machine-type"), command.option("--accelerator")
    if not machine or not re.fullmatch(r"[a-z][\w-]*", machine):
        return
    if asked is None:
        yield Written(machine, "", 0, command.location)
        return
    parts = dict(part.partition("=")[::2] for part in asked.split(","))
    count = parts.get("count", "1")
    if count.isdigit() and re.fullmatch(r"[a-z][\w-]*", parts.get("type", "")):
        yield Written(machine, _normal(parts["type"]), int(count), command.location)


def _normal(name: str) -> str:
    """Return an accelerator type as the API writes it: NVIDIA_L4 for nvidia-l4."""
    return name.upper().replace("-", "_")
