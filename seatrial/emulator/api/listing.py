"""Listing: the filter, order, pages and read mask that the API's List calls share.

Only what the API documents for models, versions and endpoints is supported; anything else is refused as the API
refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.protobuf import field_mask_pb2

from seatrial.emulator.api.refusals import INVALID_ARGUMENT, RefusedError
from seatrial.emulator.api.state import Message

_PAGE = 100
_LABEL = re.compile(
    r'labels\.(?:"(?P<quoted_key>[^"]+)"|(?P<key>[^\s=:!"]+))\s*(?P<op>!?=|:)\s*'
    r'(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))'
)
_HAS_LABEL = re.compile(r'labels:(?:"(?P<quoted_key>[^"]+)"|(?P<key>[^\s=:!"]+))')
_FIELD = re.compile(r'(?P<field>[A-Za-z_]+)\s*(?P<op>!?=)\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"]+))')
_SNAKE = {"displayName": "display_name"}


def page(
    request: Message, found: list[Message], *, fields: dict[str, Callable[[Message], str]], order: tuple[str, ...]
) -> tuple[list[Message], str]:
    """Return the requested page and the token of the next one.

    Args:
        request: has `filter`, `order_by`, `page_size`, `page_token` and `read_mask`.
        found: all messages, in the default order.
        fields: what the filter may name besides labels, and how it is read from a message.
        order: the fields that can be ordered by.

    Raises:
        RefusedError: INVALID_ARGUMENT, the filter, the order or the token is not valid.
    """
    conditions = _conditions(request.filter, fields)
    found = [message for message in found if all(holds(message) for holds in conditions)]
    for key, descending in reversed(_orders(getattr(request, "order_by", ""), order)):
        found.sort(key=lambda message, k=key: _sortable(getattr(message, k)), reverse=descending)  # type: ignore[misc]
    if request.page_size < 0 or not (request.page_token or "0").isdecimal():
        raise RefusedError(INVALID_ARGUMENT, "Invalid page_size or page_token")
    start = int(request.page_token or 0)
    end = start + (min(request.page_size, 1000) or _PAGE)
    return [_masked(m, request.read_mask) for m in found[start:end]], str(end) if end < len(found) else ""


def _conditions(text: str, fields: dict[str, Callable[[Message], str]]) -> list[Callable[[Message], bool]]:
    if not text.strip():
        return []
    return [_condition(part.strip(), fields, text) for part in re.split(r"\s+AND\s+", text.strip())]


def _condition(part: str, fields: dict[str, Callable[[Message], str]], text: str) -> Callable[[Message], bool]:
    if match := _LABEL.fullmatch(part):
        key = match["quoted_key"] or match["key"]
        value = match["bare"] if match["quoted"] is None else match["quoted"]
        if match["op"] == ":":
            return lambda m: key in m.labels and (value == "*" or m.labels[key] == value)
        equal = match["op"] == "="
        return lambda m: (m.labels.get(key) == value) == equal
    if match := _HAS_LABEL.fullmatch(part):
        label = match["quoted_key"] or match["key"]
        return lambda m: label in m.labels
    if (match := _FIELD.fullmatch(part)) and (read := fields.get(_SNAKE.get(match["field"], match["field"]))):
        wanted = match["bare"] if match["quoted"] is None else match["quoted"]
        same = match["op"] == "="
        return lambda m: (read(m) == wanted) == same
    raise RefusedError(INVALID_ARGUMENT, f"Invalid filter: {text}")


def _orders(text: str, allowed: tuple[str, ...]) -> list[tuple[str, bool]]:
    orders = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, _, direction = part.partition(" ")
        if key not in allowed or direction.strip() not in ("", "asc", "desc"):
            raise RefusedError(INVALID_ARGUMENT, f"Invalid order_by: {text}")
        orders.append((key, direction.strip() == "desc"))
    return orders


def _sortable(value: Any) -> Any:
    return value.ToNanoseconds() if hasattr(value, "ToNanoseconds") else value


def _masked(message: Message, mask: Message) -> Message:
    if not mask.paths or list(mask.paths) == ["*"]:
        return message
    kept = type(message)()
    field_mask_pb2.FieldMask(paths=mask.paths).MergeMessage(message, kept)
    return kept
