"""docs/vertex.md, from the rows of [tool.seatrial.vertex]: `python -m seatrial.project.page docs/vertex.md`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from seatrial.project.values import kebab
from seatrial.project.vertex import BatchSettings, LoggingSettings, ProbeSettings, RolloutSettings, Sent, VertexSettings

_HEAD = """\
# Settings of [tool.seatrial.vertex]

<!-- Written by `python -m seatrial.project.page docs/vertex.md`; the rows are in seatrial/project/vertex.py. -->

Each key can also be set by a variable (`SEATRIAL_VERTEX_MACHINE_TYPE`) or a flag (`--set machine-type=n1-standard-8`).
An unknown key is an error that suggests the nearest one.

The last column is the field of the API that the setting becomes; it says what follows from a change:

- *model*: another version of the model. It is part of the version's identity, so the next deploy uploads a version.
- *deployed model*: another deployed model. The next deploy deploys the same version again and moves the traffic to it.
- *endpoint*: the endpoint is changed if the API allows it, else the deploy stops and says so. What the project leaves
  at its default is not touched: somebody may have set it in the console.

None of it is part of the bundle digest. A trial runs with `env`: after a change of it, `seatrial deploy` asks for a new
one.

"""
_TABLES = {
    "startup-probe, health-probe and liveness-probe": ProbeSettings,
    "request-logging": LoggingSettings,
    "rollout": RolloutSettings,
    "batch": BatchSettings,
}
_TAIL = """
## A private endpoint

`endpoint-type = "private"` makes an endpoint that is reached by [Private Service
Connect](https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/private-service-connect),
from the networks of `private-projects` alone. A deploy asks it golden images as any other, so it must run in such a
network: on a runner of your own there. It asks `ENDPOINT-REGION-PROJECT_NUMBER.prediction.p.vertexai.goog`, port 443.
That name needs a record in a private DNS zone, and its certificate is signed by nobody: save it as the page above says,
and name its file in `GRPC_DEFAULT_SSL_ROOTS_FILE_PATH`, together with the certificates of Google's other hosts. With
`private-network` the address comes from Google and changes when nothing is deployed any more; without it, make the
forwarding rule after the first deployment. Until the name can be connected to, a deploy waits 15 minutes, then stops
without having moved traffic.

In a rehearsal the emulator answers for the private name, at a port of this machine.

## Machines in turn

With `machine-type = ["g2-standard-8", "g2-standard-12"]` the second is tried when Google has none of the first. Both
must go with the same accelerator, and the trial judges memory by the smaller one. The deployed model has the same id on
either, so a later deploy leaves it where it is.
"""


def page() -> str:
    """Return docs/vertex.md."""
    text = _HEAD + _table(VertexSettings)
    for title, table in _TABLES.items():
        text += f"\n## {title}\n\n{_table(table)}"
    return text + _TAIL


def _table(table: Any) -> str:
    rows = [_row(name, field) for name, field in table.model_fields.items() if name not in _TABLES]
    sent = any(row[3] for row in rows)
    head = ("key", "what it is", "default", "sent as") if sent else ("key", "what it is", "default")
    lines = [head, ("---",) * len(head), *(row[: len(head)] for row in rows)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _row(name: str, field: FieldInfo) -> tuple[str, str, str, str]:
    words = " ".join(each for each in field.metadata if isinstance(each, str))
    ways = "; ".join(f"{way.to}: `{way.field.replace('exec_', 'exec')}`" for way in _ways(field))
    return f"`{kebab(name)}`", words, _default(field.default, required=field.is_required()), ways


def _ways(field: FieldInfo) -> Iterator[Sent]:
    return (each for each in field.metadata if isinstance(each, Sent))


def _default(value: Any, *, required: bool) -> str:
    if required:
        return "needed"
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, tuple):
        value = value[0] if len(value) == 1 else list(value)
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
