"""Family 3, presence: is everything that the predictor loads in the artifacts, and will a checkout have it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.cloud import EXITED_SOURCE
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

_SHOWN = 4  # paths in a message

ABSENT = Rule(
    code="ST317",
    title="a file that the predictor loads is not in the artifacts",
    explanation=(
        "The predictor's loader reads a file below the folder that it is given, and the artifacts do not have it. The "
        "server ends while it loads."
    ),
    fix="put the file into the artifacts, or correct its name",
    cloud="FileNotFoundError: [Errno 2] No such file or directory",
    sources=("https://docs.python.org/3/library/exceptions.html#FileNotFoundError", EXITED_SOURCE),
    detected=(
        "The names that the loader of the predictor class (load, from_path) writes out, below a path that only its "
        "caller knows. It is a warning if the folder has other files, because a step before the build may fetch this "
        "one; artifacts in Cloud Storage are no more than what artifacts.lock lists. It is silent if the call is in "
        "a try or an `if`, or if the loader downloads files, makes folders, or asks whether they are there."
    ),
    bad='torch.load(Path(artifacts_uri) / "weights.pt")  # artifacts/ has best.pth',
    good='torch.load(Path(artifacts_uri) / "best.pth")',
)


@ABSENT.decided_by
def _absent(facts: Facts) -> Iterator[Finding]:
    folder = facts.project.artifacts
    lacking = [use for use in facts.artifact_uses if not use.is_there]
    if lacking and not facts.has_artifacts:
        names = ", ".join(dict.fromkeys(use.path for use in lacking))
        yield ABSENT.finding(
            f"there is no folder {folder}, and the predictor loads {names} from it",
            location=lacking[0].call.location,
            subject=folder,
            fix=f"put {names} into {folder}/, or name another folder as `artifacts` in [tool.seatrial]",
        )
        return
    is_remote = facts.project.is_remote
    for use in lacking:
        yield ABSENT.finding(
            f"the predictor loads {use.path} from the artifacts, and there is no {folder}/{use.path}",
            severity=Severity.ERROR if is_remote else Severity.WARNING,  # a step before the build may still fetch it
            fix="upload it, and run `seatrial artifacts lock`; or correct its name" if is_remote else ABSENT.fix,
            location=use.call.location,
            subject=f"{folder}/{use.path}",
        )


IGNORED = Rule(
    code="ST318",
    title="git ignores files of the artifacts",
    explanation=(
        "The artifacts are on this machine, but a line of .gitignore keeps them out of the repository. A checkout, as "
        "the workflow makes it, does not have them, and the trial there fails."
    ),
    severity=Severity.WARNING,
    fix="add an exception to .gitignore (`!/artifacts/weights.pt`) and commit the files, large ones with Git LFS",
    sources=("https://git-scm.com/docs/gitignore",),
    detected="git is asked which files of the artifacts it ignores and does not track. Where there is no git, no "
    "repository or no such file, nothing is said.",
    bad="*.pt                      # .gitignore",
    good="*.pt\n!/artifacts/weights.pt",
)


@IGNORED.decided_by
def _ignored(facts: Facts) -> Iterator[Finding]:
    if facts.ignored:
        shown = ", ".join(facts.ignored[:_SHOWN])
        more = f" and {len(facts.ignored) - _SHOWN} more" if len(facts.ignored) > _SHOWN else ""
        yield IGNORED.finding(
            f"git ignores {shown}{more}: a checkout has no such file",
            location=Location(facts.ignored[0]),
            subject=facts.project.artifacts,
            fix=f"add `!/{facts.ignored[0]}` to the .gitignore of this folder, and commit it, a large file with LFS",
        )


UNSEEN = Rule(
    code="ST319",
    title="the artifacts are in Cloud Storage, and were not looked at",
    explanation=(
        "The check reads no bucket. It knows the names and digests of the artifacts from artifacts.lock, but their "
        "bytes are not in the cache of this machine. What is in the checkpoints, whether training's manifest fits, and "
        "what the golden answers say, was therefore not judged."
    ),
    severity=Severity.NOTE,
    fix="run `seatrial smoke`, which fetches them and judges them first, or `seatrial artifacts fetch` and the check",
    sources=("https://docs.cloud.google.com/storage/docs/downloading-objects",),
    detected="`artifacts` is a folder of Cloud Storage, and the one that artifacts.lock describes is not in the cache.",
    bad='artifacts = "gs://models/digits/v3"   # a fresh checkout: nothing of it is here',
    good='artifacts = "gs://models/digits/v3"   # after `seatrial artifacts fetch`',
)


@UNSEEN.decided_by
def _unseen(facts: Facts) -> Iterator[Finding]:
    if facts.unseen_artifacts:
        lock = facts.project.locked_artifacts
        count = len(lock.rows) if lock else 0
        files = "1 file" if count == 1 else f"{count} files"
        yield UNSEEN.finding(
            f"the artifacts were not looked at: {files} of {facts.project.artifacts} are not in the cache here",
            location=Location("artifacts.lock"),
        )
