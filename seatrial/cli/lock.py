"""`seatrial lock`: write the locks, or judge them."""

from __future__ import annotations

import argparse

from seatrial.cli import options
from seatrial.cli.run import running
from seatrial.errors import UsageError
from seatrial.findings import failed


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    options.project(parser)
    options.formats(parser)
    parser.add_argument("--check", action="store_true", help="write nothing; say offline whether the lock is current")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of keeping the pins")
    parser.add_argument(
        "--cpu", action="store_true", help="write requirements-cpu.txt, the +cpu builds of the same pins"
    )


def command(arguments: argparse.Namespace) -> int:
    """Write the locks, or with --check judge them.

    Raises:
        UsageError: --check together with an option that writes.
    """
    with running("lock", arguments) as run:
        if arguments.check:
            from seatrial.lock.judge import check_lock

            if arguments.upgrade or arguments.cpu:
                raise UsageError("--check writes nothing, so --upgrade and --cpu have no meaning with it")
            run.of(check_lock(run.project))
            return run.finish("the lock matches requirements.in")
        from seatrial.lock import compile as locking

        if not arguments.cpu or arguments.upgrade:
            run.of(locking.compile_lock(run.project, upgrade=arguments.upgrade), "lock")
        if not failed(run.findings) and (arguments.cpu or run.project.cpu_lock_file.is_file()):
            run.of(locking.compile_cpu_lock(run.project), "lock --cpu")
        return run.finish("locked")
