"""`seatrial contract`: hold any server against the serving contract of Vertex AI; it needs no project."""

from __future__ import annotations

import argparse
import base64
import json
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.cli import options
from seatrial.cli.run import Course, apart
from seatrial.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seatrial.contract.check import Check
    from seatrial.contract.client import Target
    from seatrial.contract.suite import Asked, Result

FORMATS = ("console", "json", "markdown", "github", "html")
_URL_ROUTES = ("/health", "/predict")  # of a server that nobody gave the variables of Vertex AI


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--url", metavar="URL", help="the server, which is up: http://HOST:PORT")
    what.add_argument("server", nargs="*", default=[], metavar="-- COMMAND", help="starts the server on AIP_HTTP_PORT")
    good = parser.add_mutually_exclusive_group()
    good.add_argument(
        "--instances", type=Path, metavar="FILE", help="JSON: a good request, or a list of good instances"
    )
    good.add_argument(
        "--image", type=Path, metavar="FILE", help='an image that {"b64": ...} is a good instance of (default: a photo)'
    )
    parser.add_argument("--health-route", metavar="PATH", help="default: Vertex AI's own; /health with --url")
    parser.add_argument("--predict-route", metavar="PATH", help="default: Vertex AI's own; /predict with --url")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="only this check, or this group")
    parser.add_argument("--slow", action="store_true", help="also the checks that wait for a minute")
    parser.add_argument("--load-timeout", type=float, default=300.0, metavar="S", help="seconds until it is healthy")
    parser.add_argument("--list", action="store_true", help="list the checks, with their sources")
    options.formats(parser, only=FORMATS)


def command(arguments: argparse.Namespace) -> int:
    """Run the checks, or list them."""
    if arguments.list:
        sys.stdout.write(_list())
        return int(ExitCode.PASSED)
    with apart("contract", arguments.url or shlex.join(arguments.server), arguments) as run:
        if not arguments.url and not arguments.server:
            fix = "`seatrial contract --url http://127.0.0.1:8080`, or `seatrial contract -- python server.py`"
            raise UsageError("give the server: --url, or a command behind `--`", fix=fix)
        return _prove(run, arguments)


def _prove(run: Course, arguments: argparse.Namespace) -> int:
    from seatrial.contract import suite

    began = time.monotonic()
    checks = suite.chosen(arguments.only, slow=arguments.slow, of_a_command=not arguments.url)
    asked = _asked(arguments)
    if arguments.url:
        target = _target(arguments.url, asked)
        suite.require_reachable(target)
        results = run.of(suite.prove(target, checks))
    else:
        results = run.of(suite.prove_command(arguments.server, asked, checks))
    words = f"{suite.told(results)} · {time.monotonic() - began:.1f} s"
    shown = [result.as_dict() for result in results]
    return run.finish(words, tail=_untried(results), checks=shown)


def _untried(results: Sequence[Result]) -> list[str]:
    """Return why checks were not tried: a green result must not hide it."""
    from seatrial.contract.suite import Outcome

    reasons: dict[str, list[str]] = {}
    for result in results:
        if result.outcome is Outcome.NOT_TRIED:
            reasons.setdefault(result.seen, []).append(result.check.name)
    return [f"NOT tried: {', '.join(names)}: {why}" for why, names in reasons.items()]


def _asked(arguments: argparse.Namespace) -> Asked:
    """Return what the server is asked with."""
    from seatrial.contract.client import Limits
    from seatrial.contract.suite import Asked
    from seatrial.contract.variables import CONTRACT

    instances, parameters = _good(arguments)
    usual = _URL_ROUTES if arguments.url else (CONTRACT["AIP_HEALTH_ROUTE"], CONTRACT["AIP_PREDICT_ROUTE"])
    health, predict = (
        given or default
        for given, default in zip((arguments.health_route, arguments.predict_route), usual, strict=True)
    )
    for path in (health, predict):
        if not path.startswith("/"):
            raise UsageError(f"{path} is no route: it begins with /")
    return Asked(health, predict, instances, parameters, Limits(load=arguments.load_timeout))


def _good(arguments: argparse.Namespace) -> tuple[list[Any], Any]:
    """Return good instances and the parameters that go with them.

    Raises:
        UsageError: the file cannot be read, or holds none.
    """
    from seatrial import samples

    file = arguments.instances or arguments.image
    if file is None:
        return [instance for _, instance in samples.instances()][:1], None
    try:
        data = file.read_bytes()
        if file is arguments.image:
            return [{"b64": base64.b64encode(data).decode("ascii")}], None
        given = json.loads(data)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from None
    parameters = given.get("parameters") if isinstance(given, dict) else None
    instances = given.get("instances") if isinstance(given, dict) else given
    if not isinstance(instances, list) or not instances:
        raise UsageError(f'{file} is neither a list of instances nor {{"instances": [...]}}')
    return instances, parameters


def _target(url: str, asked: Asked) -> Target:
    """Return the server of an address.

    Raises:
        UsageError: it is no address of a server that speaks plain HTTP.
    """
    import socket

    from seatrial.contract.client import Target

    parts = urlsplit(url)
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.path not in ("", "/"):
        fix = "give http://HOST:PORT, and the routes by --health-route and --predict-route"
        raise UsageError(f"{url} is not the address of a server", fix=fix)
    host = parts.hostname

    def connect(timeout: float) -> socket.socket:
        return socket.create_connection((host, port), timeout)

    return Target(connect, asked.health, asked.predict, asked.instances, asked.parameters, asked.limits)


def _list() -> str:
    from seatrial.contract import suite

    lines = []
    for check in suite.listed():
        lines += [f"{check.name}  ({check.level}{_kind(check)})", f"  {check.says}", f"  {check.source}"]
    required = sum(check.level == "required" for check in suite.listed())
    return "\n".join([*lines, f"{len(lines) // 3} checks, {required} of them required", ""])


def _kind(check: Check) -> str:
    return "".join([", in every trial" if check.core else "", ", with --slow" if check.slow else ""])
