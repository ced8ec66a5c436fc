"""What a batch prediction's files say of failed rows is read in the forms that public sources show."""

from __future__ import annotations

import pytest

from seatrial.deploy.vertex.storage import failure

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
