"""What a batch prediction's files say of failed rows is read in the forms that public sources show.

And a bucket that may not be read, or no identity to read it with, is told with what to do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from google.oauth2.credentials import Credentials

from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.storage import failure, files
from seatrial.deploy.vertex.target import Target
from seatrial.errors import EnvironmentFaultError

# https://github.com/googleapis/python-aiplatform/issues/2666 and Vertex's troubleshooting page
SHOWN = "Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result "


@pytest.mark.parametrize(
    ("line", "read"),
    [
        (
            f"('{SHOWN}504 (upstream request timeout) from server, retry=3, elapsed=600.04s.', 16)",
            (f"{SHOWN}504 (upstream request timeout) from server, retry=3, elapsed=600.04s.", 16),
        ),
        (
            f"""('{SHOWN}422 ({{"detail":[{{"msg":"it isn\\'t there"}}]}}) from server, retry=3, elapsed=0.1s.', 1)""",
            (f"""{SHOWN}422 ({{"detail":[{{"msg":"it isn't there"}}]}}) from server, retry=3, elapsed=0.1s.""", 1),
        ),
        ('{"instance": 3, "error": {"code": 3, "message": "instance 0 is bad"}}', ("instance 0 is bad", 1)),
        ('{"instance": 3}', ("", 0)),
        ("('a text', 'no number')", ("", 0)),
        ("('cut off", ("", 0)),
        ("(" * 5000, ("", 0)),
        ("__import__('os').getcwd()", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_a_line_gives_a_text_and_how_many_rows_it_is_about(line: str, read: tuple[str, int]) -> None:
    assert failure(line) == read


class Forbidding(BaseHTTPRequestHandler):
    """A bucket that nobody may read."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def vertex() -> Iterator[Vertex]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Forbidding)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    storage = f"http://127.0.0.1:{server.server_address[1]}"
    with Vertex(Target("local", "demo", "us-central1", "127.0.0.1:1", storage=storage)) as client:
        yield client
    server.shutdown()
    server.server_close()


def test_a_bucket_that_may_not_be_read_is_told_with_the_role_that_it_takes(vertex: Vertex) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"gs://bucket/rows could not be listed: 403") as raised:
        files(vertex, "gs://bucket/rows")
    assert "roles/storage.objectViewer" in raised.value.fix


def test_an_identity_that_gets_no_token_is_told_with_the_way_to_log_in(vertex: Vertex) -> None:
    vertex.credentials = Credentials(token=None)
    with pytest.raises(EnvironmentFaultError, match="no access token") as raised:
        files(vertex, "gs://bucket/rows")
    assert "gcloud auth application-default login" in raised.value.fix
