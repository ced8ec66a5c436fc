"""`seatrial image build` and `seatrial image push`: the bundle's container image."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from seatrial.cli import options
from seatrial.cli.run import alone, running, with_artifacts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two commands and their options."""
    parts = parser.add_subparsers(metavar="COMMAND", required=True)

    text = "build the container image of the bundle"
    build = parts.add_parser("build", help=text, description=text)
    build.set_defaults(part=_build)
    options.project(build)
    options.formats(build)
    options.device(build, "the device of the target")
    options.engine(build)
    build.add_argument("--write", action="store_true", help="keep the generated Dockerfiles in build/image")
    build.add_argument("--no-cache", action="store_true", help="use nothing from an earlier build")

    text = "push the image that `smoke --image` proved, by digest"
    push = parts.add_parser("push", help=text, description=text)
    push.set_defaults(part=_push)
    options.project(push)
    options.formats(push)
    push.add_argument("--repository", metavar="NAME", help="REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE")
    push.add_argument("--region", help="the model's region, in which the repository must be (default: vertex.region)")
    options.engine(push)


def command(arguments: argparse.Namespace) -> int:
    """Build or push the image."""
    return int(arguments.part(arguments))


def _build(arguments: argparse.Namespace) -> int:
    from seatrial.containers import engine
    from seatrial.image.build import build_image

    with running("image build", arguments) as run, alone(run), with_artifacts(run):
        found = engine.find(arguments.engine or run.project.image.engine)
        stage = build_image(run.project, arguments.device, found, write=arguments.write, fresh=arguments.no_cache)
        image = run.of(stage)
        if image is None:
            return run.finish("")
        run.renderer.set_outputs(image=image.reference)
        size = f"{image.rebuilt_bytes / 1e3:,.1f} kB"
        new = f"{len(image.rebuilt)} of {len(image.layers)} layers were not in the last image, {size}"
        proof = (
            f"{image.reference} by {image.engine}, {image.id[:19]} · version {image.version_digest[:12]} · {new} · "
            f"{image.seconds:.1f} s"
        )
        return run.finish(proof, image=image.as_dict())


def _push(arguments: argparse.Namespace) -> int:
    from seatrial.containers import engine
    from seatrial.image import push
    from seatrial.report import json as json_report

    with running("image push", arguments) as run, alone(run):
        wanted = arguments.repository or run.project.image.repository
        repository = push.repository_of(wanted, arguments.region or run.project.vertex.region)
        proven = push.proven_image(run.project)
        run.of(push.changes_since(run.project, proven))
        pushed = run.of(push.push(proven, repository, engine.find(arguments.engine or proven.engine)))
        proof = (
            f"{pushed.reference} · {pushed.bytes_pushed / 1e6:,.3f} of {pushed.bytes / 1e6:,.3f} MB sent, in "
            f"{pushed.layers_pushed} of {pushed.layers} layers · {pushed.took:.1f} s"
        )
        document = json_report.document("image push", run.findings, run.seconds, **asdict(pushed))
        json_report.write(run.project.build_dir / "image/pushed.json", document)
        return run.finish(proof, pushed=asdict(pushed))
