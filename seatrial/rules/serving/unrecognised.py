"""Family 5, what no rule knows: the failure is told as far as its traceback and the project's files say it."""

from __future__ import annotations

from seatrial.rules.rule import Rule, Telling

UNRECOGNISED = Rule(
    code="ST590",
    title="a failure that is not recognised",
    explanation=(
        "No rule knows this exception. The finding says what the traceback and the project's files tell for sure: "
        "what was raised, by whose code at which locked version, which line of the project led there, and whether "
        "training used another version of that code. What the fault is, it does not say."
    ),
    fix="begin at the project's line that the evidence names",
    telling=Telling.NAMELESS,
    recognised=(
        "A log has an exception that is no warning, and neither a rule's symptom nor a family of the diagnosis fits "
        "anything in it. `seatrial explain --log` then ends with 1. The trial says the same under the rule of what "
        "happened, such as ST501."
    ),
    sources=("https://docs.python.org/3/library/traceback.html",),
)
