"""The table of secret forms: what is taken of gitleaks' rules, and in which syntax."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.tables import secret_forms

RULES = r"""
[[rules]]
id = "one-token"
regex = '''\b(one_(?i)[a-z0-9]{8})(?:[\x60'"\s;]|\\[nr]|$)'''
keywords = ["one_"]
[[rules.allowlists]]
regexes = ['''.+EXAMPLE$''']
[[rules.allowlists]]
regexTarget = "line"
regexes = ['''^a line$''']
[[rules]]
id = "beside-a-word"
regex = '''(?i)[\w.-]{0,50}?(?:service)(?:[ \t\w.-]{0,20})(?:=|>|:{1,3}=|\|\|)([a-z0-9]{32})'''
keywords = ["service"]
[[rules]]
id = "of-one-file"
regex = '''secret'''
path = '''\.config$'''
keywords = ["secret"]
[[rules]]
id = "private-key"
regex = '''-----BEGIN'''
keywords = ["-----begin"]
"""


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        files = {"/raw/v9.9.9/config/gitleaks.toml": RULES, "/raw/v9.9.9/LICENSE": "terms", "/releases/tag/v9.9.9": ""}
        moved = self.path == "/releases/latest"
        self.send_response(302 if moved else 200 if self.path in files else 404)
        if moved:
            self.send_header("Location", "/releases/tag/v9.9.9")
        self.end_headers()
        self.wfile.write(files.get(self.path, "").encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        monkeypatch.setattr(secret_forms, "ADDRESS", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield
        server.shutdown()


@pytest.mark.usefixtures("published")
def test_the_forms_that_stand_for_themselves_are_taken_from_the_newest_release() -> None:
    table = secret_forms.made({})
    assert "gitleaks v9.9.9" in table["source"]
    assert table["license"] == "terms"
    assert list(table["forms"]) == ["one-token"]
    form = table["forms"]["one-token"]
    assert (form["words"], form["allowed"]) == (["one_"], [".+EXAMPLE$"])
    found = re.compile(form["regex"])
    assert all(found.search(text) for text in ("one_ABCD1234", "(one_abcd1234,", 'x="one_abcd1234"'))
    assert not any(found.search(text) for text in ("ONE_abcd1234", "one_abcd12345", "aGone_abcd1234", "one_abcd1234/"))


def test_rules_without_one_that_is_understood_leave_the_table_as_it_is() -> None:
    with pytest.raises(ValueError, match="no rules that are understood"):
        secret_forms.table("v0", {}, "")
    with pytest.raises(ValueError, match="not an expression of Python"):
        secret_forms.in_python(r"\p{Greek}(")
