"""`seatrial artifacts lock` and `seatrial artifacts fetch`, for a project whose weights lie in a bucket."""

from __future__ import annotations

import argparse

from seatrial.cli import options
from seatrial.cli.run import running

_LOCK = (
    "Write artifacts.lock: every file of the folder of Cloud Storage that `artifacts` in [tool.seatrial] names, with "
    "its size, SHA-256, crc32c and generation. Run it after every upload, and commit the file with the code: a bucket "
    "can change, a commit cannot, and whatever is fetched later must be what it lists. If the folder has training's "
    "manifest.json, what that lists is locked. What the former lock has already is not read again."
)
_FETCH = (
    "Fetch what artifacts.lock lists into the cache, where build, smoke, serve, image build and deploy find it without "
    "any network. They fetch it themselves, too: this is for a step that has the credentials which later ones should "
    "not have. Artifacts that are a folder of the project need no fetch."
)
_IDENTITY = (
    "Requests are made as the ambient identity (`gcloud auth application-default login`, or google-github-actions/auth "
    "in a workflow; it needs roles/storage.objectViewer), and without one as nobody, which is enough for a public "
    "bucket. STORAGE_EMULATOR_HOST leads to an emulator."
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two commands and their options."""
    parts = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, part, text in (("lock", _lock, _LOCK), ("fetch", _fetch, _FETCH)):
        each = parts.add_parser(name, help=text.partition(": ")[0], description=text, epilog=_IDENTITY)
        each.set_defaults(part=part)
        options.project(each)
        options.formats(each)


def command(arguments: argparse.Namespace) -> int:
    """Lock or fetch."""
    return int(arguments.part(arguments))


def _lock(arguments: argparse.Namespace) -> int:
    from seatrial.artifacts import locking

    with running("artifacts lock", arguments) as run:
        made = run.of(locking.write(run.project), "lock")
        size = f"{made.lock.size / 1e6:,.1f} MB"
        parts = [f"artifacts.lock has {len(made.lock.rows)} files of {run.project.artifacts}, {size}"]
        parts += [f"{made.brought} of them new or changed" if made.changed else "nothing has changed"]
        if made.left_out:
            parts.append(f"{made.left_out} more are not in the folder's manifest.json, and are left out")
        return run.finish(" · ".join(parts), files=len(made.lock.rows), bytes=made.lock.size, brought=made.brought)


def _fetch(arguments: argparse.Namespace) -> int:
    from seatrial.artifacts import fetching

    with running("artifacts fetch", arguments) as run:
        if not run.project.is_remote:
            return run.finish(f"the artifacts are {run.project.artifacts}/, a folder of the project: nothing to fetch")
        got = run.of(fetching.fetch(run.project), "fetch")
        proof = f"{got.files} files, {got.bytes / 1e6:,.1f} MB, are here · {got.moved / 1e6:,.1f} MB were moved"
        return run.finish(proof, files=got.files, bytes=got.bytes, moved=got.moved)
