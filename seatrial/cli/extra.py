"""Commands whose dependencies are an extra of the tool: deploy and emulator."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from seatrial.errors import UsageError


@contextlib.contextmanager
def needed() -> Iterator[None]:
    """Name the missing extra if one of its packages cannot be imported.

    Raises:
        UsageError: the extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("google", "grpc", "requests", "gcp_storage_emulator"):
            raise
        fix = "install the tool with its extra: seatrial[deploy]"
        message = f"what a deploy needs is not installed: there is no module {error.name}"
        raise UsageError(message, fix=fix) from None
