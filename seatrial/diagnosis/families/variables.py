"""Environment variables that serving does not set: asked by os.environ, by a class of settings or by a library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import users_frame
from seatrial.rules.serving.code import NO_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised

_KEY = re.compile(r"^'(?P<name>\w+)'$")
_FIELDS = re.compile(r"^(?P<count>\d+) validation errors? for (?P<settings>\w+)")
_FIELD = re.compile(r"^(?P<name>\w+)\n\s+[Ff]ield required", re.MULTILINE)
# Settings classes of decouple, environs, starlette and django-environ name the variable in words of their own.
_SAID = re.compile(
    r"^(?P<a>\w+) not found\. Declare it as envvar|Environment variable \"?'?(?P<b>\w+)\"?'? (?:not set|is not set|"
    r"is missing)|"
    r"Config '(?P<c>\w+)' is missing|Set the (?P<d>\w+) environment variable|environment variable "
    r"`?'?(?P<e>\w+)`?'? (?:must be|is not) set"
)
_READ = re.compile(r"(?:environ\.get|getenv)\(\s*['\"](?P<name>\w+)['\"]\s*\)")
_INTERPOLATED = re.compile(r"Environment variable '(?P<name>\w+)' not found")
# What Vertex AI sets in a container of a prediction.
_VERTEX = re.compile(r"^AIP_")
_WHERE = (
    "set it in the image (ENV in a Dockerfile) or in the model's container specification (container_spec.env, "
    "`--container-env-vars`)"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a variable that is asked for and not set."""
    names, why = _asked(raised)
    if not names:
        return
    shown = ", ".join(f"`{name}`" for name in names)
    one = len(names) == 1
    ours = all(_VERTEX.match(name) for name in names)
    finding = NO_VARIABLE.finding(
        f"the environment variable{'' if one else 's'} {shown} {'is' if one else 'are'} not set where it is served",
        subject=names[0],
        cause="Vertex AI sets the AIP_ variables in its containers; this process was started without them"
        if ours
        else "the training machine's shell, a .env file or a launcher set it, and serving does not",
        fix=f"give it a default, os.environ.get({names[0]!r}, …), for a start outside of Vertex AI"
        if ours
        else f"{_WHERE}, or give it a default in the code: os.environ.get({names[0]!r}, …); put what belongs to the "
        "model into the artifacts, and a secret into Secret Manager",
    )
    yield Diagnosis(finding, why, raised.position)


def _asked(raised: Raised) -> tuple[list[str], str]:
    if raised.name == "KeyError" and (key := _KEY.match(raised.message.strip())):
        source = " ".join(frame.source for frame in raised.frames[-2:])
        below = any(frame.module == "os" for frame in raised.frames[-1:])
        if below or "environ" in source:
            return [key["name"]], "os.environ raised a KeyError of this name"
        return [], ""
    if raised.name == "ValidationError" and (head := _FIELDS.match(raised.message)):
        frames = " ".join(f"{frame.file} {frame.source}" for frame in raised.frames)
        if "settings" in head["settings"].lower() or "pydantic_settings" in frames or "BaseSettings" in frames:
            found = _FIELD.findall(raised.message)
            return [
                name.upper() for name in found
            ], f"the class of settings `{head['settings']}` misses what variables give it"
        return [], ""
    if raised.name == "TypeError" and "NoneType" in raised.message:
        line = users_frame(raised)
        read = _READ.search(line.source) if line else None
        return ([read["name"]], "the line reads the variable, and got None") if read else ([], "")
    said = _SAID.search(raised.message) or _INTERPOLATED.search(raised.message)
    if said is None:
        return [], ""
    return [next(group for group in said.groups() if group)], "the library that reads settings names the variable"
