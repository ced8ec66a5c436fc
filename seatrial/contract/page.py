"""docs/contract.md, written from the checks themselves: `python -m seatrial.contract.page docs/contract.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from seatrial.contract import suite
from seatrial.contract.check import Check, Group, Level

_TITLES = {
    Group.START: "The start of a command",
    Group.HEALTH: "Health",
    Group.PREDICT: "Good requests",
    Group.BODIES: "Bodies that are no good request",
    Group.HTTP: "HTTP",
    Group.IMAGES: "Images",
    Group.CLIENTS: "Clients that are slow, leave, or come in numbers",
    Group.STOP: "The end of a command",
    Group.AGAIN: "Further starts of a command",
}
_COLUMNS = ("| check | | the contract says | source |", "|---|---|---|---|")
_HEAD = """\
# The serving contract

`seatrial contract` holds any server against what Vertex AI asks of a container that serves predictions. It needs no
project, and the server may be written in any language.

```console
$ seatrial contract --url http://127.0.0.1:8080            # a server that is up
$ seatrial contract -- python -m my_server                 # starts it, and sees its start and end too
$ seatrial contract --instances good.json -- ./server      # a good request, or a list of good instances
$ seatrial contract --only http --only health-head --url …  # groups, or single checks
```

A command is started on a free port under the variables `AIP_*` of Vertex AI, in a process group of its own, which ends
with the run. Without `--instances` and `--image` a small photo, `{{"b64": "…"}}`, is the good instance. The checks of
images look for the first image in a good instance, put others in its place, and are not tried where there is none.

There are {count} checks. **{required} are required**: Vertex AI documents them, HTTP demands them of every server, or
without them one client's fault reaches others. One that is not kept is an error
([ST508](rules/ST508.md)), and the exit code is 1. The others are recommended, and warnings. What could not be tried is
named in the verdict with the reason; it never counts as kept.

Those with a star are the core, which every `seatrial smoke` runs on the predictor's own server; `smoke --full` runs
the others too. Those marked *slow* wait for a minute, and need `--slow`.
"""


def page() -> str:
    """Return the page."""
    checks = suite.chosen(slow=True)
    required = sum(check.level is Level.REQUIRED for check in checks)
    parts = [_HEAD.format(count=len(checks), required=required)]
    for group in Group:
        rows = [_row(check) for check in checks if check.group is group]
        parts += [
            f"## {_TITLES[group]}",
            "\n".join(["| check | | the contract says | source |", "|---|---|---|---|", *rows]),
        ]
    return "\n".join(f"{part}\n" for part in parts)


def _row(check: Check) -> str:
    star = "*" if check.core and not check.instances else ""
    level = f"{check.level}{', slow' if check.slow else ''}"
    says = check.says.replace("|", r"\|")
    return f"| `{check.name}`{star} | {level} | {says} | [{_short(check.source)}]({check.source}) |"


def _short(source: str) -> str:
    """Return a name for a source: the RFC and its section, or the site."""
    if "rfc-editor.org" in source:
        number, _, section = source.rpartition("/rfc")[2].partition("#section-")
        return f"RFC {number}" + (f", {section}" if section else "")
    return source.split("/")[2].removeprefix("www.")


def main() -> None:
    """Write the page to the file that the command line names."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
