"""Live answers → findings: an answer that differs from training's, an error, a refusal.

It judges one reply at a time, in the trial's own words; how many replies are enough is decided elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from seatrial.deploy.exchange import PERMISSION_DENIED, Reply
from seatrial.diagnosis.translate import diagnose
from seatrial.findings import Finding
from seatrial.golden import GoldenExample
from seatrial.rules.deployment import live, operations, preflight
from seatrial.trial import parity
from seatrial.trial.parity import Drift

if TYPE_CHECKING:
    from seatrial.facts.gather import Gathered

SHOWN = 3  # findings of one kind; a wrong transform makes every image differ


def differences(reply: Reply, tolerance: float, drift: Drift) -> list[Finding]:
    """Return an ST710 for every golden example of an answer that is not as training recorded it."""
    asked, given = len(reply.question.examples), len(reply.predictions)
    if asked != given:
        message = f"{reply.question.name}: {given} predictions for {asked} instances"
        return [live.OTHER_ANSWER.finding(message, subject=reply.question.name)]
    return [
        _live(finding, example, prediction, reply.deployed_model)
        for example, prediction in zip(reply.question.examples, reply.predictions, strict=True)
        for finding in parity.compare(example, prediction, tolerance=tolerance, drift=drift, alone=asked == 1)
    ]


def refusal(reply: Reply) -> Finding:
    """Return the finding that the deployer may not ask for predictions."""
    rule = operations.DENIED if reply.code == PERMISSION_DENIED else preflight.NO_CREDENTIALS
    return rule.finding(f"the endpoint refuses to answer this deployer: {text_of(reply)}")


def live_errors(message: str, reply: Reply, gathered: Gathered, evidence: tuple[str, ...]) -> Finding:
    """Return an ST711, translated if the rules know the fault that the server's text describes."""
    # The rule's own words of the cloud are those of one such error; these are the words of this one.
    finding = live.LIVE_ERRORS.finding(
        message, subject=reply.question.name, cloud="", evidence=(*evidence, text_of(reply))
    )
    known = [each for each in diagnose(text_of(reply), gathered.if_readable) if each.code != finding.code]
    if not known:
        return finding
    return replace(finding, cause=f"{known[0].code}: {known[0].message}", fix=known[0].fix, location=known[0].location)


def text_of(reply: Reply) -> str:
    """Return the words of an error, cut if they are long."""
    return str(reply.error)[:600]


def _live(finding: Finding, example: GoldenExample, prediction: Any, deployed_id: str) -> Finding:
    """Say of a live answer what the comparison said of it."""
    evidence = finding.evidence or (f"recorded: label {example.label}", f"answered: {str(prediction)[:100]}")
    who = f"answered by deployed model {deployed_id}"
    return live.OTHER_ANSWER.finding(finding.message, subject=finding.subject, evidence=(who, *evidence))
