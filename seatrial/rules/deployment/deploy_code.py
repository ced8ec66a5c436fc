"""Family 7, the project's own deploy scripts: calls of Google's SDK and commands that fail or do something unintended.

Scripts never ship and may be unused, so only what is certain to fail is an error. The predictor class of AI Platform
itself is not a fault: Seatrial serves it as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.deployment.written import scripts_of_sdk
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call
    from seatrial.findings import Finding

SDK = "google.cloud.aiplatform."

RETIRED = Rule(
    code="ST730",
    title="a command for AI Platform Prediction, which is shut down",
    explanation=(
        "AI Platform Prediction ended on 31 January 2025. `gcloud ai-platform`, the API ml.googleapis.com and "
        "Airflow's MLEngine operators are still in many scripts, but no longer work. A predictor class written for it, "
        "with from_path and predict, is not a fault: Seatrial serves it on Vertex AI as it is."
    ),
    fix="deploy with `seatrial deploy`, and remove the old command",
    severity=Severity.WARNING,
    sources=("https://cloud.google.com/ai-platform/prediction/docs/deprecations",),
    detected=(
        "A shell script, workflow or Makefile in the usual folders holds `gcloud ai-platform` or an address of "
        'ml.googleapis.com, or a Python script builds the client "ml" or imports the MLEngine operators. The check '
        "cannot see whether it is still run, so it only warns."
    ),
    bad="gcloud beta ai-platform versions create v1 --model digits --prediction-class predictor.Digits",
    good="seatrial deploy",
)


@RETIRED.decided_by
def _retired(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        for command in file.retired:
            yield RETIRED.finding(f"`{command.text}`: AI Platform Prediction is shut down", location=command.location)
    for script in facts.scripts:
        for call in script.uses.calls:
            service = call.argument("serviceName", 0)
            if call.name == "googleapiclient.discovery.build" and service and service.constant == "ml":
                yield RETIRED.finding("a client of AI Platform Prediction, which is shut down", location=call.location)
        for imported in script.imports:
            if imported.module.startswith("airflow.") and any("mlengine" in n for n in imported.candidates()):
                yield RETIRED.finding(
                    "Airflow's operators of AI Platform Prediction, which is shut down", location=imported.location
                )


UNTESTED_DEFAULT = Rule(
    code="ST731",
    title="Model.upload makes a new model, or an untested default version",
    explanation=(
        "Without parent_model every run of the script makes another Model with the same display name. With it, the new "
        "version becomes the default at once, before any deployment has tested it, unless is_default_version is False."
    ),
    fix="pass parent_model and is_default_version=False, and make the version the default once it is proven",
    severity=Severity.WARNING,
    sources=(
        "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/585",
        "https://github.com/googleapis/python-aiplatform/issues/1982",
        "https://github.com/kubeflow/pipelines/issues/8257",
    ),
    detected=(
        "A script calls google.cloud.aiplatform's Model.upload without one of the two. Arguments passed by `**` and "
        "the first upload of a model cannot be recognised, so it only warns."
    ),
    bad='aiplatform.Model.upload(display_name="digits", serving_container_image_uri=image)',
    good=(
        "aiplatform.Model.upload(\n"
        '    display_name="digits", serving_container_image_uri=image, parent_model=name, is_default_version=False\n'
        ")"
    ),
)


@UNTESTED_DEFAULT.decided_by
def _untested_default(facts: Facts) -> Iterator[Finding]:
    for call in _calls(facts):
        if call.name not in (f"{SDK}Model.upload", f"{SDK}models.Model.upload"):
            continue
        if call.argument("parent_model") is None:
            yield UNTESTED_DEFAULT.finding(
                "Model.upload without parent_model makes another model each time",
                location=call.location,
                cause="right for the first upload, but wrong if the script runs for every release",
            )
        elif call.argument("is_default_version") is None:
            yield UNTESTED_DEFAULT.finding(
                "Model.upload makes the new version the default before anything has tested it",
                location=call.location,
                cause="is_default_version is True unless it is given",
            )


REFUSED_DEPLOY = Rule(
    code="ST732",
    title="arguments of a deploy that Google's SDK refuses",
    explanation=(
        "The SDK checks the arguments before it sends anything: a traffic split must add up to 100, a percentage must "
        "be between 0 and 100, and an accelerator's type and count must be given together."
    ),
    fix='make the split add up to 100, with key "0" for the model that is being deployed',
    cloud="ValueError: Sum of all traffic within traffic split needs to be 100.",
    sources=(
        "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/models.py",
        "https://github.com/kubeflow/pipelines/issues/7347",
    ),
    detected=(
        "A script that imports google.cloud.aiplatform contains the numbers. Variables that are assigned twice are not "
        "followed, and a call inside a try is not judged."
    ),
    bad='endpoint.deploy(model, traffic_split={"0": 10, "123": 80})',
    good='endpoint.deploy(model, traffic_split={"0": 10, "123": 90})',
)


@REFUSED_DEPLOY.decided_by
def _refused_deploy(facts: Facts) -> Iterator[Finding]:
    for call in _calls(facts):
        if call.context.tried:
            continue
        split = call.keywords.get("traffic_split")
        numbers = [item.constant for item in split.items or ()] if split else []
        whole = [number for number in numbers if type(number) is int]
        if numbers and len(whole) == len(numbers) and sum(whole) != 100:
            yield REFUSED_DEPLOY.finding(
                f"the traffic split adds up to {sum(whole)}, not to 100", location=call.location
            )
        share = call.keywords.get("traffic_percentage")
        if share and type(share.constant) is int and not 0 <= share.constant <= 100:
            yield REFUSED_DEPLOY.finding(
                f"a traffic percentage of {share.constant}",
                location=call.location,
                cloud="ValueError: Traffic percentage cannot be greater than 100.",
                fix="write a percentage from 0 to 100",
            )
        if call.method == "deploy" and call.name.startswith(SDK):
            kind, count = call.argument("accelerator_type"), call.argument("accelerator_count")
            if kind and isinstance(kind.constant, str) and count is None:
                yield REFUSED_DEPLOY.finding(
                    f"{kind.constant} is requested without accelerator_count",
                    location=call.location,
                    cloud="ValueError: Both `accelerator_type` and `accelerator_count` should be set",
                    fix="write accelerator_count=1",
                )


def _calls(facts: Facts) -> Iterator[Call]:
    """Yield the calls of the scripts that import Google's SDK."""
    for script in scripts_of_sdk(facts):
        yield from script.uses.calls
