"""Connections: to whom, and what could ship instead."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "GitHub's limit": Said(
        raised(
            "urllib.error.HTTPError: HTTP Error 403: rate limit exceeded",
            "/app/serving/predictor.py|self.model = torch.hub.load('pytorch/vision', 'resnet50')",
            "torch/hub.py|response = json.loads(_read_url(Request(url, headers=headers)))",
        ),
        "ST506",
        (r"torch\.hub", r"limits requests", r"artifacts"),
    ),
    "Hub's limit": Said(
        raised(
            "huggingface_hub.errors.HfHubHTTPError: 429 Client Error: Too Many Requests for url: "
            "https://huggingface.co/o/m",
            "/app/serving/predictor.py|AutoModel.from_pretrained('o/m')",
            "huggingface_hub/utils/_http.py|raise",
        ),
        "ST506",
        (r"limits requests", r"save_pretrained"),
    ),
    "offline": Said(
        raised(
            "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in "
            "the cached files.",
            "/app/serving/predictor.py|AutoModel.from_pretrained('google/vit')",
        ),
        "ST506",
        (r"google/vit", r"folder"),
    ),
    "prompt for trust": Said(
        raised(
            "EOFError: EOF when reading a line",
            "/app/serving/predictor.py|torch.hub.load('o/r', 'm', trust_repo='check')",
            "torch/hub.py|response = input(",
        ),
        "ST506",
        (r"trust", r'source="local"'),
        (r"weights file", r"empty"),
    ),
    "another prompt": Said(
        raised(
            "EOFError: EOF when reading a line",
            "/app/serving/predictor.py|wandb.init()",
            "wandb/apikey.py|answer = input(",
        ),
        "ST506",
        (r"wandb asks a question",),
        (r"torch\.hub",),
    ),
    "the project's own service": Said(
        raised(
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
            "/app/serving/predictor.py|self.cache.get(key)",
            "redis/connection.py|raise ConnectionError(self._error_message(e))",
        ),
        "ST506",
        (r"localhost:6379", r"self\.cache\.get\(key\)"),
        (r"weights=None",),
    ),
    "a database by its name": Said(
        raised(
            "psycopg2.OperationalError: could not connect to server: Connection refused\n\tIs the server running "
            'on host "db" '
            "(172.18.0.2) and accepting TCP/IP connections on port 5432?",
            "/app/serving/predictor.py|psycopg2.connect(DSN)",
        ),
        "ST506",
        (r"db:5432",),
    ),
    "one line that a program may log and go on": Said(
        "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. Connection refused.",
        "",
        (),
        (r"ST506",),
    ),
    "a public host": Said(
        raised(
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='example.com', port=443): Max retries "
            "exceeded with "
            "url: /w.pt (Caused by NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or "
            "service not known'))",
            "/app/serving/predictor.py|requests.get(URL)",
        ),
        "ST506",
        (r"example\.com:443", r"requests\.get\(URL\)"),
        (r"localhost",),
    ),
    "a pickle that ended": Said(
        raised("EOFError: Ran out of input", "/app/serving/predictor.py|pickle.load(f)"), "ST303", (), (r"terminal",)
    ),
    "the user's own exception": Said(
        raised(
            "ValueError: image timed out of range",
            "/app/serving/predictor.py|raise ValueError('image timed out of range')",
        ),
        "",
        (),
        (r"ST506",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
