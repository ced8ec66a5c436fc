"""The container: the stored texts."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.rules.serving import container
from seatrial.serving.bucket import Bucket, StorageError
from seatrial.serving.storage import fetch
from tests.diagnosis.test_symptoms import STORED, as_runtime, first
from tests.rules.judging import seen_by_running, texts_of
from tests.serving.bucket_server import Content, running


@pytest.mark.parametrize("name", texts_of(container))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def test_the_page_says_what_shows_a_fault_that_neither_files_nor_texts_show() -> None:
    assert {"ST511"} == seen_by_running(container)


@pytest.mark.parametrize(
    ("objects", "statuses", "code", "words"),
    [
        ({}, [], "ST512", "gs://bucket/m has no files; correct the model's artifact URI"),
        ({"m/../x": b""}, [], "ST512", "has an object '../x', which is not the name of a file below it; rename it"),
        ({}, [(404, {})], "ST512", "there is no bucket gs://bucket"),
        ({}, [(403, {"error": {"message": "a@p.iam.gserviceaccount.com does not have storage.objects.list access to "
                                          "the Google Cloud Storage bucket."}})],
         "ST705", "a@p.iam.gserviceaccount.com lacks storage.objects.list on gs://bucket"),
    ],
)  # fmt: skip
def test_a_fetch_that_fails_is_told_with_what_the_server_says(
    tmp_path: Path, objects: dict[str, bytes], statuses: list[tuple[int, dict[str, object]]], code: str, words: str
) -> None:
    with running(Content(objects=dict(objects))) as content:
        content.faults.statuses = statuses
        with pytest.raises(StorageError) as caught:
            fetch("gs://bucket/m", tmp_path / "a", Bucket("bucket", content.host, None, 1))
    printed = as_runtime("".join(traceback.format_exception(caught.value)))
    found = next(finding for finding in diagnose(printed, None) if finding.code != "ST590")
    assert (found.code, words in found.message) == (code, True), found.message
