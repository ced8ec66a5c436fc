"""Family 2, waivers: accepted findings must say why, and must still be there.

Waivers are known only after every other rule has judged. `seatrial.check.waivers` reads them and uses these two.
"""

from __future__ import annotations

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

_SOURCES = (
    "https://docs.astral.sh/ruff/rules/unused-noqa/",
    "https://eslint-community.github.io/eslint-plugin-eslint-comments/rules/require-description.html",
)

WITHOUT_REASON = Rule(
    code="ST290",
    title="a waiver without a reason",
    explanation=(
        "A waiver says that a fault which is known to break servers is accepted in this one place. Whoever reads it in "
        "a year, or at night when the server does not start, needs to know why somebody thought so; without that it "
        "cannot be judged, and nobody dares to remove it."
    ),
    fix="write the reason behind the code: `# seatrial: ignore[ST412] the model was trained this way`",
    sources=_SOURCES,
    detected=(
        "From the comments of the files that the check reads, and from the table [tool.seatrial.ignore]. Any text "
        "counts as a reason. The waiver is still applied, so that there is one finding and not two."
    ),
    bad="image = image.resize((28, 28))  # seatrial: ignore[ST412]",
    good="image = image.resize((28, 28))  # seatrial: ignore[ST412] the model was trained this way",
)

WAIVES_NOTHING = Rule(
    code="ST291",
    title="a waiver that waives nothing",
    explanation=(
        "No finding of that code is in that line, or in the whole project for one in [tool.seatrial.ignore]. Either "
        "the fault is fixed, or the comment is on the wrong line or names the wrong code. Left there, it hides "
        "the fault when it comes back."
    ),
    fix="remove the waiver, or correct its code and its line",
    severity=Severity.WARNING,
    sources=_SOURCES,
    detected=(
        "Every rule of the check is asked, even those that --select and --ignore leave out. Only `seatrial check` and "
        "the check within the trial apply waivers: a waiver for a rule that only a running server shows waives nothing."
    ),
    bad="size = 28  # seatrial: ignore[ST412] the line was changed since",
    good="size = 28",
)

WAIVERS = (WITHOUT_REASON, WAIVES_NOTHING)
