"""RECORD: parsed and written as CSV."""

from __future__ import annotations

from seatrial.environment import record

TEXT = 'b/two.py,sha256=x,1\n"a, b/with ""quotes"".py",,\n\nb/one.py,,\n'


def test_a_path_with_commas_and_quotes_is_one_field_and_an_empty_line_is_skipped() -> None:
    assert [row[0] for row in record.rows(TEXT)] == ["b/two.py", 'a, b/with "quotes".py', "b/one.py"]


def test_the_written_text_is_sorted_and_parses_to_the_same_rows() -> None:
    text = record.written(record.rows(TEXT))
    assert text == '"a, b/with ""quotes"".py",,\nb/one.py,,\nb/two.py,sha256=x,1\n'
    assert record.rows(text) == sorted(record.rows(TEXT))
