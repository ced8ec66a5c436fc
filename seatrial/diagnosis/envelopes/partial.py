"""Long lines that the runtime of containers splits: containerd's log marks a part by P, and the last one by F.

The format is `TIME STREAM P|F TEXT`:
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md. Docker's own files hold
one object for each part; only the last one ends in a line break.
"""

from __future__ import annotations

import json
import re

_PART = re.compile(
    r"^(?P<mark>[^\n]{0,200}?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]{0,10}(?:Z|[+-]\d\d:\d\d) (?P<stream>stdout|stderr) )"
    r"(?P<tag>[PF])(?::\w+)* (?P<text>.*)$"
)
_STREAM = re.compile(r'"stream": ?"(?P<stream>stdout|stderr)"')


def joined(lines: list[str]) -> list[str]:
    """Return the lines with the parts of each put together, where its first part stood."""
    found: list[str] = []
    begun: dict[str, int] = {}  # stream → where the line is that goes on
    for line in lines:
        part = _PART.match(line)
        stream, text, more = (part["stream"], part["text"], part["tag"] == "P") if part else _of_docker(line)
        at = begun.get(stream) if stream else None
        if at is not None:
            found[at] += text
        elif part:
            found.append(f"{part['mark']}F {text}")
        else:
            found.append(text if more else line)
        if more:
            begun[stream] = len(found) - 1 if at is None else at
        elif stream:
            begun.pop(stream, None)
    return found


def _of_docker(line: str) -> tuple[str, str, bool]:
    """Return the stream, the text and whether it goes on, of an object of docker; empty if the line is none."""
    if not (line.startswith('{"log":') and _STREAM.search(line)):
        return "", "", False
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return "", "", False
    stream, text = value.get("stream"), value.get("log")
    if not (isinstance(stream, str) and isinstance(text, str)):
        return "", "", False
    return stream, text.removesuffix("\n"), not text.endswith("\n")
