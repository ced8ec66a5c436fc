"""Vertex AI: what its API refuses, by the names in the text: machines, accelerators, images, schemas, resources.

What the tables of the tool know about a machine or an image is told with it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import text_of, unescaped, words_of
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.facts.tables import machines, prebuilt_images
from seatrial.rules.deployment import foreign_operations, operations, preflight, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

_MACHINE = re.compile(r"\b(?P<machine>(?:[acgmnet]\d[a-z]?|ct\w+|tpu\w*)-[a-z]+-?[a-z0-9]*(?:-\d+[a-z]?)?)\b")
_ACCELERATOR = re.compile(r"\b(?P<kind>(?:NVIDIA|TPU)_[A-Z0-9_]+|nvidia-[a-z0-9-]+)\b")
_NOT_ALLOWED = re.compile(
    r"(?i)not (?:allowed|supported|available|compatible|valid)|invalid|unsupported|must be|required|cannot|"
    r"does not support|"
    r"allowed (?:numbers?|values?)"
)
_ALLOWED = re.compile(r"(?:are|is|of|:)\s*\[(?P<numbers>[\d, ]+)\]")
_COUNT = re.compile(r"(?i)accelerator[ _]?count[^\d\n]{0,12}(?P<number>\d+)")
_IMAGE = re.compile(
    r"(?i)invalid image [\"'`]?(?P<image>[^\s\"'`]+)[\"'`]?|image [\"'`]?(?P<other>[^\s\"'`]+)[\"'`]? (?:is not|"
    r"isn't) (?:a )?(?:valid|supported)"
)
_PREBUILT = re.compile(r"-docker\.pkg\.dev/vertex-ai(?:-restricted)?/prediction/|gcr\.io/cloud-aiplatform/prediction/")
_NON_OK = re.compile(
    r"Non-OK result (?P<status>\d{3}) \((?P<body>.*)\) from server|(?P<plain>422|"
    r"400) Unprocessable[^\n]*?(?P<json>\{.*\})"
)
_MISSING = re.compile(r"(?i)field required|missing|is a required property|none is not an allowed")
_FLAT_LOCATION = re.compile(
    r"[\"']loc[\"']\s*:\s*[\[(]\s*(?P<location>[^\])]*)[\])]\s*,\s*[\"']msg[\"']\s*:\s*[\"'](?P<why>[^\"']*)"
)

_WORDINGS = (
    Wording(
        operations.INVALID,
        re.compile(
            r"(?:[Dd]edicated [Ee]ndpoint|CloudESF)[^\n]{0,160}(?:cannot be accessed|dedicated (?:DNS|"
            r"dns))[^\n]{0,200}?"
            r"(?P<host>[\w.-]+\.prediction\.vertexai\.goog)?"
        ),
        "the endpoint is a dedicated one and takes requests at its own host name only {host}",
        "call it at `endpoint.dedicated_endpoint_dns` (SDK: `predict(use_dedicated_endpoint=True)`), not at "
        "REGION-aiplatform.googleapis.com",
    ),
    Wording(
        operations.INVALID,
        re.compile(
            r"(?i)(?:location|region)[^\n]{0,40}[`'\"]?(?P<one>[a-z]+-[a-z]+\d)[`'\"]?[^\n]{0,60}(?:does not match|"
            r"doesn't match|"
            r"differs?|mismatch|not the same|must (?:be|match))[^\n]{0,80}?(?P<other>[a-z]+-[a-z]+\d)|"
            r"(?P<host>[a-z]+-[a-z]+\d)-aiplatform[^\n]{0,80}(?:not (?:match|serve)|mismatch)"
        ),
        "the request goes to one region and names another: {one}{host} {other}",
        "call the endpoint at REGION-aiplatform.googleapis.com of its own region (`api_endpoint`, "
        "`aiplatform.init(location=…)`, `--region`)",
    ),
    Wording(
        operations.INVALID,
        re.compile(
            r"(?:404 |NOT_FOUND[^\n]{0,40})(?:The )?(?P<what>Endpoint|Model|DeployedModel|BatchPredictionJob|"
            r"Publisher Model)\b[^\n]{0,20}?"
            r"[`'\"]?(?P<name>projects/\S+?)?[`'\"]?\.? (?:is not found|not found|does not exist|was not found)"
        ),
        "the {what} does not exist in this project and region: {name}",
        "check id, project and region: a resource exists in one region only, and `gcloud ai endpoints list "
        "--region=REGION` or `gcloud ai models list` shows what is there; after an undeploy or a new deploy the id of "
        "the endpoint is another",
    ),
    Wording(
        operations.INVALID,
        re.compile(
            r"(?P<what>Endpoint|Model)[^\n]{0,160}(?:has|have) (?:deployed or being-deployed DeployedModels?|"
            r"been deployed|"
            r"deployed models?)"
        ),
        "the {what} is still in use: a model is deployed",
        "undeploy it first, then delete",
    ),
    Wording(
        operations.INVALID,
        re.compile(
            r"(?i)min[_ ]?replica[_ ]?count[^\n]{0,80}(?:greater|less|must|at least)|"
            r"max[_ ]?replica[_ ]?count[^\n]{0,80}"
            r"(?:greater|less|must|at least)"
        ),
        "the numbers of replicas do not fit each other",
        "min-replica-count is at least 1 and not above max-replica-count",
    ),
    Wording(
        preflight.NO_CREDENTIALS,
        re.compile(
            r"You do not currently have an active account selected|Please run:?\s+\$ gcloud auth login|"
            r"There was a problem refreshing your current auth tokens(?![^\n]*impersonated)|"
            r"Your current active account \[[^\]]*\] does not have any "
            r"valid credentials"
        ),
        "gcloud has no account that is logged in",
        "run `gcloud auth login`; in a workflow use google-github-actions/auth before it",
    ),
    Wording(
        preflight.API_DISABLED,
        re.compile(
            r"(?i)billing (?:must be enabled|account[^\n]{0,60}(?:disabled|absent|not found|closed))|BILLING_DISABLED|"
            r"requires billing to be enabled"
        ),
        "the project has no active billing account",
        "link one: `gcloud billing projects link PROJECT --billing-account=ACCOUNT`",
    ),
    Wording(
        operations.INVALID,
        re.compile(r"The required property \[(?P<name>[\w/]+)\] is not (?:currently )?set"),
        "gcloud does not know the {name}",
        "pass it, or run `gcloud config set {name} VALUE`",
    ),
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of Google's client."""
    yield from _told(words_of(raised), raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of gcloud, or of a job."""
    yield from _told(text_of(statement), statement.position)


def _told(text: str, position: int) -> Iterator[Diagnosis]:
    if diagnosis := _machine(text, position) or _image(text, position) or _schema(text, position):
        yield diagnosis
    else:
        yield from told(_WORDINGS, text, position)


def _machine(text: str, position: int) -> Diagnosis | None:
    """Judge a text that refuses a machine or its accelerators; the table knows what goes together."""
    if not re.search(r"(?i)accelerator|machine[ _-]?type|machine[ _]?spec", text) or not _NOT_ALLOWED.search(text):
        return None
    table = machines()
    found = next((m["machine"] for m in _MACHINE.finditer(text)), "")
    kind = next((m["kind"].upper().replace("-", "_") for m in _ACCELERATOR.finditer(text)), "")
    if not found and not kind:
        return None
    count = _COUNT.search(text)
    number = count["number"] if count else ""
    machine = table.machines.get(found)
    allowed = _ALLOWED.search(text)
    numbers = allowed["numbers"].strip() if allowed else ""
    if not numbers and machine and kind in machine.accelerators:
        numbers = ", ".join(map(str, machine.accelerators[kind]))
    if found and kind and numbers:
        message = f"{found} takes {numbers} {kind}" + (f", and {number} are asked for" if number else "")
        message += "" if number or not machine or kind in machine.accelerators else ", says Vertex AI"
        fix = (
            "set accelerator-count (accelerator_count) to "
            f"{numbers.replace(',', ' or', 1) if ',' in numbers else numbers}"
        )
        larger = _with(kind, number)
        fix += f", or for {number} take {larger}" if larger and number else ""
    elif found and kind:
        fitting = ", ".join(sorted(machine.accelerators)) if machine and machine.accelerators else ""
        message = f"{found} does not take {kind}" + (f"; it takes {fitting}" if fitting else "")
        fix = f"for {kind} take {_with(kind, number or '1') or 'another machine'}"
    elif found:
        known = machine is not None
        message = f"the machine type {found} is refused" + (
            "" if known else f", and the list of {table.read_on} has none such"
        )
        if machine and machine.accelerators and machine.built_in:
            has = "; ".join(f"{each}: {', '.join(map(str, n))}" for each, n in machine.accelerators.items())
            fix = f"{found} comes with accelerators, which must be named too ({has})"
        else:
            fix = "take a machine type that the region has for online prediction, such as n1-standard-4"
    else:
        message = f"the accelerator {kind} is refused" + (
            "" if _with(kind, "1") else f"; the list of {table.read_on} has none such"
        )
        fix = (
            f"for {kind} take {_with(kind, number or '1')}" if _with(kind, "1") else "take an accelerator of that list"
        )
        fix += "; not every region has it"
    finding = settings.NO_PAIR.finding(message, fix=fix)
    return Diagnosis(finding, "the text refuses a machine or accelerator, and the table of machines has it", position)


def _with(kind: str, number: str) -> str:
    """Return the smallest machine that may have a number of accelerators of a kind; "" if none is known."""
    wanted = int(number) if number.isdigit() else 1
    fitting = [
        (m.processors, name) for name, m in machines().machines.items() if wanted in m.accelerators.get(kind, ())
    ]
    return min(fitting)[1] if fitting else ""


def _image(text: str, position: int) -> Diagnosis | None:
    found = _IMAGE.search(text)
    image = (found["image"] or found["other"]).rstrip(".,;:") if found else ""
    if not found or "/" not in image:
        return None
    if _PREBUILT.search(image):
        table = prebuilt_images()
        known = ", ".join(version.replace(".", "-") for version in sorted(table.ends))
        message = f"Vertex AI has no prebuilt image {image}: no such name or tag"
        cause = f"On {table.read_on} the list of prebuilt images for PyTorch had the versions {known}."
        fix = "take a name from that list, or serve with your own container: `seatrial image build`"
    elif "docker.pkg.dev" not in image and "gcr.io" not in image:
        message = f"Vertex AI does not take the image {image}: it is not in Artifact Registry"
        cause = "Images of other registries are refused."
        fix = "push it to REGION-docker.pkg.dev/PROJECT/REPOSITORY of the model's region"
    else:
        message = f"Vertex AI does not take the image {image}"
        cause = (
            "It does not exist under this name and tag, cannot be read, or is not in a region that the model can use."
        )
        fix = f"check it with `gcloud artifacts docker images describe {image}`, and push it to the model's region"
    return Diagnosis(
        operations.INVALID.finding(message, cause=cause, fix=fix), "the text calls the image invalid", position
    )


def _schema(text: str, position: int) -> Diagnosis | None:
    """Judge the answer of a container's own schema to a request of Vertex AI."""
    found = _NON_OK.search(text)
    if found is None or (found["status"] or found["plain"]) not in ("400", "422"):
        return None
    body = unescaped(found["body"] or found["json"] or "")
    status = found["status"] or found["plain"]
    batch = "Cannot get predictions" in text
    rule = foreign_operations.BATCH if batch else operations.INVALID
    fields = _fields(body)
    if not fields:
        finding = rule.finding(
            f"the container refuses the request with {status}: {body[:200]}",
            cause=(
                "The request reached the container, and its own checks refuse it: they do not fit what Vertex AI sends."
            ),
            fix='accept `{"instances": […]}` with and without `parameters`, with instances as the job has them',
        )
        return Diagnosis(finding, f"the container itself answered {status}", position)
    missing = [name for name, why in fields if _MISSING.search(why)]
    name, why = fields[0] if not missing else (missing[0], "")
    if missing:
        cause = (
            "Batch prediction sends `parameters` only if the job has model parameters."
            if name == "parameters" and batch
            else "Vertex AI sends `instances`, and `parameters` only if the caller gives them."
        )
        finding = rule.finding(
            f"the container's schema requires `{name}`, and the request does not have it ({status})",
            cause=cause,
            fix=f"make `{name}` optional in the schema (`{name}: dict | None = None`), or send it"
            if name != "instances"
            else "send `instances`, as a list; check the format of the job's input",
        )
        return Diagnosis(finding, f"the container answered {status} and names the missing field", position)
    finding = rule.finding(
        f"the container's schema refuses `{name}` of the request ({status}): {why}",
        cause="The request reached the container, and its own checks refuse it.",
        fix="let the schema accept what Vertex AI sends, or give the instances the form that it asks for",
    )
    return Diagnosis(finding, f"the container answered {status} and names the field", position)


def _fields(body: str) -> list[tuple[str, str]]:
    """Return the fields that a validation error of pydantic or jsonschema names, and what it says of each."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return [(_leaf(m["location"]), m["why"]) for m in _FLAT_LOCATION.finditer(body) if _leaf(m["location"])]
    detail = value.get("detail") if isinstance(value, dict) else None
    if not isinstance(detail, list):
        return []
    return [
        (".".join(str(part) for part in each["loc"] if part != "body") or "body", str(each.get("msg", "")))
        for each in detail
        if isinstance(each, dict) and isinstance(each.get("loc"), list)
    ]


def _leaf(location: str) -> str:
    return ".".join(part for part in re.findall(r"[\w-]+", location) if part != "body")
