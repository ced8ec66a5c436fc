"""The control plane over REST: Google's own URL templates, JSON and error bodies.

The routes come from the installed SDK. This module does no input or output: `rest_server` passes each request in and
sends the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from google.api import httpbody_pb2
from google.cloud.aiplatform_v1.services.endpoint_service.transports.rest_base import _BaseEndpointServiceRestTransport
from google.cloud.aiplatform_v1.services.job_service.transports.rest_base import _BaseJobServiceRestTransport
from google.cloud.aiplatform_v1.services.model_service.transports.rest_base import _BaseModelServiceRestTransport
from google.cloud.aiplatform_v1.services.prediction_service.transports.rest_base import (
    _BasePredictionServiceRestTransport,
)
from google.protobuf import json_format

from seatrial.emulator.api import refusals
from seatrial.emulator.api.control_plane import Answer, Caller, ControlPlane
from seatrial.emulator.api.state import Message

_TRANSPORTS = (
    _BaseModelServiceRestTransport,
    _BaseEndpointServiceRestTransport,
    _BasePredictionServiceRestTransport,
    _BaseJobServiceRestTransport,
)
# https://cloud.google.com/apis/docs/system-parameters
_SYSTEM = {"alt", "key", "fields", "prettyPrint", "access_token", "callback", "oauth_token", "quotaUser", "uploadType"}
_VARIABLE = re.compile(r"\{(?P<name>[\w.]+)(?:=(?P<pattern>[^}]+))?\}")
_JSON = {"Content-Type": "application/json; charset=UTF-8"}

Result = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP method and URL template of an RPC; `body` is "*", a field of the request, or empty."""

    http: str
    pattern: re.Pattern[str]
    variables: tuple[str, ...]
    method: str
    body: str


class Rest:
    """Answers HTTP requests with a control plane's calls."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._routes = tuple(_routes(plane.methods))

    def answers(self, path: str) -> bool:
        """Return whether a path belongs to this API."""
        return any(route.pattern.fullmatch(path) for route in self._routes)

    def answer(
        self, http: str, path: str, query: str, headers: Mapping[str, str], body: bytes, caller: Caller | None = None
    ) -> Result:
        """Answer a request.

        Args:
            http: the HTTP method.
            path: without the query, still percent-encoded.
            query: what follows the question mark.
            headers: only Content-Type is used.
            body: the whole body.
            caller: for faults, which check whether the client still waits or cut its connection.

        Returns:
            status, headers (without Content-Length) and body.
        """
        integers = "enum-encoding=int" in dict(parse_qsl(query)).get("$alt", "")
        try:
            return self._answer(http, path, query, headers, body, caller or Caller(), integers)
        except refusals.RefusedError as error:
            return refused(error)

    def _answer(
        self,
        http: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        body: bytes,
        caller: Caller,
        integers: bool,
    ) -> Result:
        route, variables = self._find(http, unquote(path))
        kind = self._plane.request_type(route.method)
        if route.method == "RawPredict":
            content = httpbody_pb2.HttpBody(content_type=_header(headers, "content-type"), data=body)
            request = kind(endpoint=variables["endpoint"], http_body=content)
        else:
            request = _request(kind, route, variables, query, body)
        return _result(self._plane.call(route.method, request, caller), integers)

    def _find(self, http: str, path: str) -> tuple[Route, dict[str, str]]:
        for route in self._routes:
            if route.http == http.lower() and (match := route.pattern.fullmatch(path)):
                return route, dict(zip(route.variables, match.groups(), strict=True))
        raise refusals.RefusedError(refusals.NOT_FOUND, f"The requested URL {path} was not found on this server.")


def refused(error: refusals.RefusedError) -> Result:
    """Return an error as Google answers it."""
    status = refusals.HTTP_STATUS[error.code]
    body = {"error": {"code": status, "message": error.message, "status": refusals.STATUS[error.code].name}}
    return status, dict(_JSON), json.dumps(body).encode()


def _routes(methods: tuple[str, ...]) -> Iterator[Route]:
    for transport in _TRANSPORTS:
        for name, kind in vars(transport).items():
            method = name.removeprefix("_Base")
            if method not in methods or not hasattr(kind, "_get_http_options"):
                continue
            for option in kind._get_http_options():
                pattern, variables = _pattern(option["uri"])
                yield Route(option["method"], pattern, variables, method, option.get("body", ""))


def _pattern(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    parts: list[str] = []
    variables: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(template):
        parts.append(re.escape(template[end : match.start()]))
        glob = match["pattern"] or "*"
        # The last part never includes the verb that follows a colon.
        parts.append("(" + re.escape(glob).replace(r"\*\*", "[^:]+").replace(r"\*", "[^/:]+") + ")")
        variables.append(match["name"])
        end = match.end()
    parts.append(re.escape(template[end:]))
    return re.compile("".join(parts)), tuple(variables)


def _request(kind: type[Message], route: Route, variables: dict[str, str], query: str, body: bytes) -> Message:
    content: dict[str, Any] = {}
    if route.body:
        read = _json(body)
        content = read if route.body == "*" else {route.body: read}
    fields = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not _system(name)]
    for name, value in [*fields, *variables.items()]:
        _set(content, kind.DESCRIPTOR, name, value)
    try:
        return json_format.ParseDict(content, kind())
    except json_format.ParseError as error:
        raise _bad_json(str(error)) from error


def _json(body: bytes) -> Any:
    try:
        read = json.loads(body or b"{}")
    except ValueError as error:
        raise _bad_json(str(error)) from error
    if not isinstance(read, dict):
        raise _bad_json("Root element must be a message.")
    return read


def _set(content: dict[str, Any], descriptor: Any, name: str, value: str) -> None:
    *parents, last = name.split(".")
    unknown = _bad_json(f'Unknown name "{name}": Cannot bind query parameter.')
    for parent in parents:
        field = descriptor.fields_by_name.get(parent)
        if field is None or field.message_type is None:
            raise unknown
        content, descriptor = content.setdefault(parent, {}), field.message_type
    field = descriptor.fields_by_name.get(last) or descriptor.fields_by_camelcase_name.get(last)
    if field is None:
        raise unknown
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask":
        value = re.sub(r"_([a-z])", lambda match: match[1].upper(), value)  # both spellings are accepted
    content[last] = value


def _bad_json(what: str) -> refusals.RefusedError:
    return refusals.RefusedError(refusals.INVALID_ARGUMENT, f"Invalid JSON payload received. {what}")


def _system(name: str) -> bool:
    return name.startswith("$") or name in _SYSTEM


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


def _result(answer: Answer, integers: bool) -> Result:
    if answer.served is not None:
        reply = answer.served.reply
        return reply.status, {"Content-Type": reply.content_type, **answer.served.headers}, reply.body
    return 200, dict(_JSON), json_format.MessageToJson(answer.message, use_integers_for_enums=integers).encode()
