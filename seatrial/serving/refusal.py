"""The error that refuses a request. It needs nothing but Python, because training opens images with it, too."""

from __future__ import annotations


class AnswerError(Exception):
    """Ends a request with an HTTP status and a message; `instance` is the index of the instance at fault."""

    def __init__(self, status: int, message: str, instance: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.instance = instance


class BusyError(AnswerError):
    """There is too much to do; the client may ask again later."""
