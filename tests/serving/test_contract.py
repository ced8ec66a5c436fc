"""Routes, limits and errors over HTTP, on a batched predictor that returns an image's mean gray value."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from .server import Reply, Server, b64, file_of, gray, launched, served, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEAN = """
class P:
    def load(self, artifacts_uri):
        self.artifacts = artifacts_uri

    def preprocess(self, image):
        return np.asarray(image, dtype=np.float32)

    def predict(self, batch):
        return batch.mean(axis=(1, 2, 3))

    def postprocess(self, row):
        return row
"""
LIMIT = 20_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    serving = {"max-body-bytes": LIMIT, "max-pixels": 10_000}
    with served(tmp_path_factory.mktemp("contract"), MEAN, serving=serving) as running:
        yield running


def test_health_is_200_when_ready(server: Server) -> None:
    reply = server.health()
    assert (reply.status, reply.json()) == (200, {"status": "ready"})
    assert reply.headers["content-type"] == "application/json"


def test_each_instance_gets_its_prediction_in_order(server: Server) -> None:
    reply = server.predict(gray(10), gray(200), gray(30))
    assert (reply.status, reply.json()) == (200, {"predictions": [10.0, 200.0, 30.0]})
    assert reply.headers["content-type"] == "application/json"


def test_a_request_larger_than_a_batch_is_answered_whole(server: Server) -> None:
    values = list(range(19))
    assert server.predictions(*map(gray, values)) == values


def test_instances_of_different_sizes_are_answered_together(server: Server) -> None:
    assert server.predictions(gray(1), gray(2, (5, 3)), gray(3)) == [1, 2, 3]


def test_a_bare_base64_string_is_an_instance(server: Server) -> None:
    assert server.predictions(gray(7)["b64"]) == [7]


def test_a_data_url_and_the_alphabet_for_urls_are_instances(server: Server) -> None:
    text = next(text for text in (gray(value)["b64"] for value in range(256)) if "/" in text and text.endswith("="))
    for_urls = text.replace("+", "-").replace("/", "_")
    forms = [text, f"data:image/png;base64,{text}", for_urls, for_urls.rstrip("="), {"b64": for_urls}]
    first, *others = server.predictions(*forms)
    assert others == [first] * 4


def test_a_gzipped_body_is_unpacked_within_the_limit(server: Server) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = json.dumps({"instances": [gray(5)]}).encode()

    def post(data: bytes, **others: str) -> Reply:
        return server.request("POST", "/predict", data, {**headers, **others})

    assert post(gzip.compress(body)).json() == {"predictions": [5.0]}
    assert post(gzip.compress(b'{"instances": []}'.ljust(LIMIT))).status == 200
    assert post(gzip.compress(b'{"instances": []}'.ljust(LIMIT + 1))).status == 413
    assert post(gzip.compress(b" " * 50_000_000)).status == 413
    for broken in (body, gzip.compress(body)[:-9], gzip.compress(body) + b"more", b""):
        assert "gzip" in post(broken).error["message"]
    refused = server.request("POST", "/predict", body, {**headers, "Content-Encoding": "br"})
    assert (refused.status, refused.error["message"]) == (
        415,
        "the content encoding is br; send the body plain or gzip",
    )


def test_no_instances_give_no_predictions(server: Server) -> None:
    assert server.predictions() == []


def test_an_image_body_is_one_instance(server: Server) -> None:
    reply = server.post(file_of(Image.new("L", (2, 2), 9)), "image/png")
    assert (reply.status, reply.json()) == (200, {"predictions": [9.0]})


def test_a_charset_behind_the_content_type_is_fine(server: Server) -> None:
    assert server.post(b'{"instances": []}', "application/json; charset=utf-8").status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"", "not JSON"),
        (b'{"instances": [NaN]}', "NaN is not a JSON value"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 19_000, "nested too deeply"),
        (b"[]", "the body is a list"),
        (b'{"inputs": []}', 'no list "instances"'),
        (b'{"instances": {}}', '"instances" is an object'),
        (b'{"instances": [], "parameters": 3}', '"parameters" is a number'),
    ],
)
def test_a_body_of_another_form_is_400(server: Server, body: bytes, words: str) -> None:
    reply = server.post(body)
    assert reply.status == 400
    assert words in reply.error["message"]


def test_parameters_nested_too_deeply_are_400_and_the_server_keeps_running(server: Server) -> None:
    for depth in (300, 900, 960, 980, 990):
        nested = b"[" * depth + b"]" * depth
        reply = server.post(b'{"instances": ["%s"], "parameters": {"a": %s}}' % (gray(1)["b64"].encode(), nested))
        assert reply.status in (200, 400)
        if reply.status == 400:
            assert "nested too deeply" in reply.error["message"]
    assert server.predictions(gray(1)) == [1]


def test_another_content_type_is_415(server: Server) -> None:
    assert server.post(b"{}", "text/plain").status == 415


def test_another_path_is_404_and_names_the_routes(server: Server) -> None:
    reply = server.request("GET", "/")
    assert reply.status == 404
    assert "/health, /predict and /metrics" in reply.error["message"]


@pytest.mark.parametrize(("method", "path", "allowed"), [("GET", "/predict", "POST"), ("POST", "/health", "GET, HEAD")])
def test_another_method_is_405_and_names_those_allowed(server: Server, method: str, path: str, allowed: str) -> None:
    reply = server.request(method, path)
    assert (reply.status, reply.headers["allow"]) == (405, allowed)
    assert reply.error["message"] == f"{path} answers {allowed}, not {method}"


def test_a_post_without_length_or_chunks_is_411(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("POST", "/predict")
    connection.endheaders()
    response = connection.getresponse()
    assert Reply(response.status, response.read()).error["code"] == 411
    connection.close()


def test_a_body_of_exactly_the_limit_is_read(server: Server) -> None:
    assert server.post(b'{"instances": []}'.ljust(LIMIT)).status == 200


def test_a_body_that_announces_more_than_the_limit_is_413(server: Server) -> None:
    reply = server.post(b'{"instances": []}'.ljust(LIMIT + 1))
    assert reply.status == 413
    assert str(LIMIT) in reply.error["message"]


def test_a_chunked_body_over_the_limit_is_413(server: Server) -> None:
    assert server.post(iter([b" " * 5_000] * 5)).status == 413


def test_a_chunked_body_within_the_limit_is_answered(server: Server) -> None:
    body = json.dumps({"instances": [gray(5)]}).encode()
    assert server.post(iter([body[:20], body[20:]])).json() == {"predictions": [5.0]}


def test_a_bad_instance_is_400_with_its_index(server: Server) -> None:
    reply = server.predict(gray(1), {"b64": "no image"}, gray(2))
    assert reply.status == 400
    assert reply.error["instance"] == 1


@pytest.mark.parametrize(
    ("instance", "words"),
    [
        (3, "an instance is"),
        ({"image": "x"}, "an instance is"),
        ("", "empty"),
        ("data:image/png,iVBORw0KGgo=", ";base64,"),
        ("data:image/png;base64,iVBORw0KGgo=", "not an image of a known format"),
        ("iVBO\nRw0KGgo=", "line breaks"),
        ("_-8=", "not an image of a known format"),
        ("_-8+", "mixes the standard alphabet"),
        ("iVBORw0KGgo", "not base64"),
        ("data:image/png;base64,iVBO Rw0KGgo=", "line breaks"),
        ("!!!!", "not base64"),
        (b64(b"hello"), "not an image of a known format"),
        (b64(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"), "not an image of a known format"),
    ],
)
def test_the_message_says_what_is_wrong_with_an_instance(server: Server, instance: Any, words: str) -> None:
    reply = server.predict(instance)
    assert reply.status == 400
    assert words in reply.error["message"]


def test_an_image_body_that_is_not_an_image_is_400(server: Server) -> None:
    assert server.post(b"hello", "image/jpeg").error["instance"] == 0


def test_one_connection_answers_many_requests_and_survives_errors(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    statuses = []
    for body in (b'{"instances": []}', b"{", b" " * (LIMIT + 1), b'{"instances": []}'):
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [200, 400, 413, 200]


def test_the_routes_of_the_environment_are_served(tmp_path: Path) -> None:
    routes = {"AIP_HEALTH_ROUTE": "/alive", "AIP_PREDICT_ROUTE": "/v1/models/m:predict"}
    with launched(tmp_path, MEAN, environ=routes) as server:
        wait_for(lambda: bool(server.log(message="ready")))
        assert server.request("GET", "/alive").status == 200
        assert server.request("POST", "/v1/models/m:predict", b'{"instances": []}').status == 200
        assert server.health().status == 404


def test_what_pillow_logs_about_a_clients_file_raises_no_alarm(server: Server) -> None:
    entries = [(256, 2), (257, 2), (258, 8), (259, 1), (262, 1), (273, 8), (277, 255), (279, 4)]
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    reply = server.predict(b64(b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags + bytes(4)))
    assert reply.status == 400
    assert not server.log(severity="ERROR")


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_an_answer_has_the_id_of_its_request_or_a_new_one(server: Server) -> None:
    for path, body in (("/predict", b'{"instances": []}'), ("/predict", b"{"), ("/health", None), ("/nowhere", None)):
        method = "GET" if body is None else "POST"
        assert server.request(method, path, body, {"X-Request-Id": "mine"}).headers["x-request-id"] == "mine"
        assert len(server.request(method, path, body, {"X-Request-Id": "not mine"}).headers["x-request-id"]) == 32


def test_a_refused_request_has_one_line_with_its_id_and_trace_and_a_good_one_none(server: Server) -> None:
    headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    body = json.dumps({"instances": [gray(1), {"b64": "no image"}]}).encode()
    server.request("POST", "/predict", body, {**headers, "X-Request-Id": "refused-1"})
    server.request("POST", "/predict", b'{"instances": []}', {**headers, "X-Request-Id": "good-1"})
    wait_for(lambda: bool(server.log(request_id="refused-1")))
    (line,) = server.log(request_id="refused-1")
    assert (line["severity"], line["instance"], line["trace"]) == ("INFO", 1, TRACE)
    assert line["logging.googleapis.com/spanId"] == "00f067aa0ba902b7"
    request = line["httpRequest"]
    assert (request["requestMethod"], request["requestUrl"], request["status"]) == ("POST", "/predict", 400)
    assert 0 < float(request["latency"].rstrip("s")) < 20
    assert not server.log(request_id="good-1")


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"])
def test_a_request_without_one_host_is_400(server: Server, hosts: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nConnection: close\r\n" + hosts + b"\r\n")
        assert connection.makefile("rb").readline() == b"HTTP/1.1 400 Bad Request\r\n"


def test_a_refusal_by_a_limit_names_its_setting(server: Server) -> None:
    many = json.dumps({"instances": [0] * 1025}).encode()
    assert server.post(many).error["message"].endswith("1025 instances; the limit is 1024 (serving.max-instances)")
    assert server.post(b" " * (LIMIT + 1)).error["message"].endswith("(serving.max-body-bytes)")
    assert server.predict(gray(1, (101, 100))).error["message"].endswith("(serving.max-pixels)")


LOUD = """
import logging

class P:
    def load(self, artifacts_uri): ...

    def decode(self, instance):
        logging.warning("decoding")
        return instance

    def preprocess(self, value):
        return np.float32([value])

    def predict(self, batch):
        if batch.sum() < 0:
            raise ValueError("negative")
        return batch.sum(axis=1)
"""


def test_what_a_predictor_logs_and_its_failure_have_the_id_of_their_request(tmp_path: Path) -> None:
    serving = {"workers": 1, "log-requests": "all"}
    environ = {"AIP_PROJECT_NUMBER": "42"}
    trace = {"X-Cloud-Trace-Context": f"{TRACE}/74;o=1", "Content-Type": "application/json"}
    with served(tmp_path, LOUD, serving=serving, environ=environ) as server:
        for name, value in (("good", 1), ("bad", -1)):
            body = json.dumps({"instances": [value]}).encode()
            server.request("POST", "/predict", body, {**trace, "X-Request-Id": name})
        wait_for(lambda: len(server.log(request_id="bad")) == 2)
        named = {"logging.googleapis.com/trace": f"projects/42/traces/{TRACE}"}
        said = [(line["severity"], line["message"]) for line in server.log(request_id="good", **named)]
        assert said == [("WARNING", "decoding"), ("INFO", "answered")]
        decoding, failed = server.log(request_id="bad", **named)
        assert decoding["message"] == "decoding"
        assert (failed["severity"], failed["message"]) == ("ERROR", "predict raised ValueError: negative")
        assert "in predict" in failed["traceback"]
        assert failed["httpRequest"]["status"] == 500
        assert not server.log(message="answered", httpRequest={"requestUrl": "/health"})
