"""Every call that leaves this machine has a row with what its public source says, and every row is of today's code."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from google.cloud.aiplatform_v1.services.endpoint_service.transports import rest_base as endpoints
from google.cloud.aiplatform_v1.services.job_service.transports import rest_base as jobs
from google.cloud.aiplatform_v1.services.model_service.transports import rest_base as models
from google.cloud.aiplatform_v1.services.prediction_service.transports import rest_base as predictions
from google.cloud.storage import Blob, Bucket, Client

from seatrial.deploy.vertex import conformance
from seatrial.project.values import kebab
from seatrial.project.vertex import DEPLOYED, ENDPOINT, MODEL, sent
from tests.conftest import ROOT

CLIENT = ROOT / "seatrial/deploy/vertex"  # the only folder that imports Google's client, as import-linter checks
TALKING = tuple(ROOT / "seatrial" / name for name in ("deploy", "image", "containers", "system"))
RUNTIME = ROOT / "seatrial/serving"
TRANSPORTS = (
    models._BaseModelServiceRestTransport,
    endpoints._BaseEndpointServiceRestTransport,
    predictions._BasePredictionServiceRestTransport,
    jobs._BaseJobServiceRestTransport,
)
_OTHER_WAYS = {"urlopen", "HTTPConnection", "HTTPSConnection", "AsyncClient", "create_connection"}


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


METHODS = {
    snake(name): name
    for transport in TRANSPORTS
    for name in (each.removeprefix("_Base") for each in vars(transport) if each.startswith("_Base"))
}


def rpcs(tree: ast.AST) -> Iterator[str]:
    """Yield the RPCs whose method of Google's clients is named."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            yield METHODS[node.attr]


def requests(tree: ast.AST) -> Iterator[str]:
    """Yield the requests over HTTP, with a pair of braces for each part of the URL that is computed."""
    for scope in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Module)):
        own = list(_own(scope))
        known = {
            target.id: node.value
            for node in own
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        known |= _in_tuples(own)
        for node in own:
            if isinstance(node, ast.Call):
                yield from _request(node, known)


def texts(tree: ast.AST, pattern: str) -> Iterator[str]:
    """Yield the literals that a pattern matches wholly."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(pattern, node.value):
            yield node.value


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, ast.FunctionDef):
            yield from _own(child)


def _in_tuples(nodes: Iterable[ast.AST]) -> dict[str, ast.expr]:
    return {
        target.id: value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
        for names in node.targets
        if isinstance(names, ast.Tuple)
        for target, value in zip(names.elts, node.value.elts, strict=True)
        if isinstance(target, ast.Name)
    }


def _request(call: ast.Call, known: dict[str, ast.expr]) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "rest":
        api, method, path = (_template(argument, known) for argument in call.args[:3])
        yield f"{api} {method} {path.partition('?')[0]}"
    elif name == "Request" and call.args:
        yield f"GET {_template(call.args[0], known)}"
    elif name in _OTHER_WAYS or ast.unparse(call.func) in ("requests.get", "requests.post", "requests.request"):
        yield ast.unparse(call.func)


def _template(node: ast.expr, known: dict[str, ast.expr]) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(value, known) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return _template(node.value, known)
    if isinstance(node, ast.Name) and isinstance(known.get(node.id), ast.Constant | ast.JoinedStr):
        return _template(known[node.id], known)
    return "{}"


@functools.cache
def trees(folder: Path) -> tuple[ast.AST, ...]:
    files = (file for file in sorted(folder.rglob("*.py")) if file.parent.name != "conformance")
    return tuple(ast.parse(file.read_text(encoding="utf-8")) for file in files)


def names(rows: Iterable[conformance.Row]) -> set[str]:
    return {row.name for row in rows}


def test_every_call_over_grpc_has_a_row() -> None:
    assert {name for tree in trees(CLIENT) for name in rpcs(tree)} == names(conformance.RPCS)


def test_every_call_over_rest_has_a_row() -> None:
    assert {name for folder in TALKING for tree in trees(folder) for name in requests(tree)} == names(conformance.REST)


def test_every_call_of_the_storage_client_has_a_row() -> None:
    methods = {name for kind in (Client, Bucket, Blob) for name in vars(kind) if not name.startswith("_")}
    network = {name for name in methods if re.match(r"list_|download_|upload_|delete|get_|create|copy_|compose", name)}
    found = {
        node.attr
        for tree in trees(CLIENT)
        if any(ast.unparse(node) == "from google.cloud import storage" for node in ast.walk(tree))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in network
    }
    assert found == names(conformance.STORAGE)


def test_every_header_has_a_row() -> None:
    found = {name for tree in trees(CLIENT) for name in texts(tree, r"x-[a-z-]+")}
    assert found == names(conformance.HEADERS)


def test_every_variable_that_the_runtime_reads_has_a_row() -> None:
    assert {name for tree in trees(RUNTIME) for name in texts(tree, r"AIP_[A-Z_]+")} == names(conformance.VARIABLES)


def test_every_setting_that_is_sent_has_a_row() -> None:
    keys = {kebab(name) for to in (MODEL, ENDPOINT, DEPLOYED) for name, _ in sent(to)} - {"service-account"}
    assert keys <= {name for row in conformance.SETTINGS for name in row.name.split(" and ")}


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("vertex.write(vertex.models.export_model, request)", {"ExportModel"}),
        ("def f(v, p):\n    at = f'/v1/{p}/b'\n    v.rest('storage', 'GET', f'{at}?q={p}')", {"storage GET /v1/{}/b"}),
        ("def f(host):\n    return urllib.request.Request(f'https://{host}/x')", {"GET https://{}/x"}),
        ("urllib.request.urlopen(url)", {"urllib.request.urlopen"}),
        ("requests.post(url)", {"requests.post"}),
    ],
)
def test_a_new_call_is_seen(code: str, found: set[str]) -> None:
    tree = ast.parse(code)
    assert {*rpcs(tree), *requests(tree)} == found


def test_the_test_of_every_row_is_there() -> None:
    for rows in conformance.PARTS.values():
        for row in rows:
            file, _, test = row.test.partition("::")
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(encoding="utf-8"), row.name


def test_the_page_is_written_from_the_rows() -> None:
    assert (ROOT / "docs/conformance.md").read_text(encoding="utf-8") == conformance.page()


def test_the_readme_lists_the_guesses_by_number_and_each_says_what_would_settle_it() -> None:
    found = conformance.guesses()
    assert all(bool(row.settles) is not bool(row.source) for _, row in conformance.numbered())
    listed = ", ".join(map(str, found[:-1]))
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{len(found)} of its {len(conformance.numbered())} rows are guesses: {listed} and {found[-1]}." in readme
