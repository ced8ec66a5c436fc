"""What the guard noted → findings, and what a green trial leaves unproven.

A refused access is a finding if what was asked for exists on this machine: only then does the predictor behave
otherwise here than in the cloud.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seatrial.diagnosis.places import user_frames
from seatrial.findings import Finding, Severity
from seatrial.project import Project
from seatrial.rules.artifacts import state_dicts
from seatrial.rules.rule import Rule
from seatrial.rules.serving import container, network, processes, sealing
from seatrial.trial.sealing.view import EMPTY_FOLDERS, OF_MACHINE, PROGRAM_FOLDERS, View, loader_folders
from seatrial.trial.sealing.watching import Noted

_SITE = "/site-packages/"
# What the slim images have and images of other makers may lack, and what to do about it.
_UNSURE_FOLDERS = {
    "/usr/share/zoneinfo": "time zones: add tzdata to requirements.in",
    "/etc/ssl": "certificates of authorities: add certifi to requirements.in",
    "/usr/share/ca-certificates": "certificates of authorities: add certifi to requirements.in",
}


def findings(project: Project, noted: list[Noted], view: View | None, *, sealed: bool) -> Iterator[Finding]:
    """Yield a finding for each thing that the predictor took from this machine or asked of the network."""
    yield from _untrained(project, noted)
    for entry in noted:
        rule, message, severity = _judged(entry, view, sealed=sealed)
        more = {}
        if entry.kind == "host" and _by_an_import(entry.traceback, project):
            message = f"a library asks {entry.what} while it is imported, and goes on without an answer"
            severity = Severity.NOTE  # such as a look for a newer version; what needs the answer fails by itself
            more = {"fix": "nothing; many libraries have a variable that switches this off", "cloud": ""}
        if rule is not None:
            location, frames = user_frames(entry.traceback, project)
            yield rule.finding(message, severity=severity, location=location, evidence=tuple(frames), **more)


def _by_an_import(traceback: str, project: Project) -> bool:
    """Return whether a library did it in its own code that runs on import."""
    _, imports, inside = traceback.rpartition("<frozen importlib")
    return (
        bool(imports)
        and user_frames(f'Traceback (most recent call last):\n  File "{imports}{inside}', project)[0] is None
    )


def _untrained(project: Project, noted: list[Noted]) -> Iterator[Finding]:
    """Yield a finding for each model that the last note about it calls untrained, wholly or in part."""
    notes = [(json.loads(entry.what), entry) for entry in noted if entry.kind == "untrained"]
    last = {(told["process"], told["number"]): (told, entry) for told, entry in notes}
    # Each worker has the model. What one of them has filled meanwhile, the others fill when they are asked.
    least: dict[tuple[int, str], tuple[Any, Noted]] = {}
    for told, entry in sorted(last.values(), key=lambda one: one[0]["untrained"]):
        least.setdefault((told["number"], told["model"]), (told, entry))
    for _, (told, entry) in sorted(least.items(), key=lambda one: one[0]):
        count, all_of_it, model = told["untrained"], told["of"], told["model"]
        if not count:
            continue
        location, frames = user_frames(entry.traceback, project)
        names = ", ".join(told["names"]) + (" …" if count > len(told["names"]) else "")
        yield state_dicts.LEFT_UNTRAINED.finding(
            f"load_state_dict(strict=False) left {count} of {all_of_it} parameters of {model} as they were built",
            severity=Severity.ERROR if count == all_of_it else Severity.WARNING,
            location=location,
            cause=f"no tensor of the file has their names: {names}",
            evidence=tuple(frames),
        )


def unproven(project: Project, noted: list[Noted], view: View | None, *, full: bool) -> list[str]:
    """Return what the trial does not prove, in words, because the predictor uses what an image or machine may lack.

    A `full` trial proves what is read of `OF_MACHINE`, or says itself that it cannot.
    """
    found = []
    modules = [entry.what for entry in noted if entry.kind == "module"]
    if modules:
        found.append(f"that the image's Python has {', '.join(modules)}, which a build of Python may leave out")
    for folder, what in _UNSURE_FOLDERS.items():
        uses = [e for e in noted if e.kind in ("read", "list") and f"{e.what}/".startswith(f"{folder}/")]
        if uses:
            location, _ = user_frames(uses[0].traceback, project)
            found.append(f"that the image has {what} ({folder} is read{f' at {location}' if location else ''})")
    asked = [e for e in noted if e.kind == "machine" and not (full and e.what in OF_MACHINE)]
    if asked:
        location, _ = user_frames(asked[0].traceback, project)
        where = f" at {location}" if location else ""
        found.append(f"that it does the same on {project.vertex.machine}: {asked[0].what} is read{where}")
    if kept := [Path(e.what).name for e in noted if e.kind == "kept"]:
        found.append(
            f"that {', '.join(kept[:3])} is there later: the predictor writes into its working directory, "
            "of which each replica has its own and loses it when it ends"
        )
    started = (e.what for e in noted if e.kind == "child" and (view is None or _host_program(e.what, view) is None))
    if children := list(dict.fromkeys(Path(program).name for program in started)):
        found.append(f"that the programs {', '.join(children)} do without a network, and without other programs")
    return found


def _judged(entry: Noted, view: View | None, *, sealed: bool) -> tuple[Rule | None, str, Severity]:
    error, note, what = Severity.ERROR, Severity.NOTE, entry.what
    match entry.kind:
        case "host":
            return network.OUTSIDE_CONNECTION, f"the predictor tried to reach {what}", error
        case "metadata":
            message = f"the predictor asks {what}, which only the cloud has: its answer is not part of this trial"
            return network.OUTSIDE_CONNECTION, message, note
        case "own":
            message = f"the predictor connects to {what}, on its own machine: something of it must listen there"
            return network.OUTSIDE_CONNECTION, message, note
        case "port" if not sealed:
            return processes.PORT_TAKEN, f"the predictor listens on {what}, the port of the server in the cloud", error
    if view is None:
        return None, "", error
    match entry.kind:
        case "read" | "list" if os.path.lexists(what) and not _is_seen(what, view):
            doing = "lists the folder" if entry.kind == "list" else "reads"
            return sealing.HOST_FILE, f"the predictor {doing} {what} of this machine", error
        case "write" if not view.is_writable(what):
            shown = what.partition(_SITE)[2] or what
            return container.OUTSIDE_TMP, f"the predictor writes {shown}, and only /tmp can be written", error
        case "child" if (program := _host_program(what, view)) is not None:
            return sealing.HOST_PROGRAM, f"the predictor starts {what}, which is {program} of this machine", error
        case "library" if (library := _host_library(what, view)) is not None:
            return sealing.HOST_LIBRARY, f"the predictor loads {what}, which is {library} of this machine", error
    return None, "", error


def _is_seen(path: str, view: View) -> bool:
    """Return whether a path is shown, or is a folder above something that is."""
    above = f"{path.rstrip('/')}/"
    return view.has(path) or path in EMPTY_FOLDERS or any(shown.place.startswith(above) for shown in view.shown)


def _host_program(program: str, view: View) -> Path | None:
    """Return where a program is on this machine, if the view lacks it."""
    found = shutil.which(program, path=os.pathsep.join([*PROGRAM_FOLDERS, "/usr/local/bin", "/usr/local/sbin"]))
    return Path(found) if found and not view.has(found) else None


def _host_library(library: str, view: View) -> Path | None:
    """Return where a library is on this machine, if the view lacks it."""
    paths = [library] if library.startswith("/") else [f"{folder}/{library}" for folder in loader_folders()]
    there = [Path(path) for path in paths if Path(path).exists()]
    return there[0] if there and not any(view.has(str(path)) for path in there) else None
