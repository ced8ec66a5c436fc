"""Ids and traces from headers: what is taken, what is not, and what a line of the log says of it."""

from __future__ import annotations

import pytest

from seatrial.serving.origin import Origin, origin_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def of(project: str = "shop", **headers: str) -> Origin:
    named = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return origin_of(named, project)


@pytest.mark.parametrize("sent", ["a", "8f1c9d7e-5a57-4bb6-9d0c-9a9c3a8c2f11", "Root=1-6789-abc/x+y~z:@.", "i" * 128])
def test_an_id_that_is_short_and_plain_is_taken(sent: str) -> None:
    assert of(x_request_id=sent).request_id == sent


@pytest.mark.parametrize("sent", ["", "i" * 129, "a b", 'a"b', "a\\b", "<b>", "a\x1b[0m", "id\n", "a,b", "\xe9"])
def test_another_is_replaced_by_a_new_one(sent: str) -> None:
    made = [of(x_request_id=sent).request_id for _ in range(2)]
    assert len(set(made)) == 2
    assert all(len(one) == 32 for one in made)


def test_a_request_without_headers_has_an_id_and_no_trace() -> None:
    assert list(of().fields()) == ["request_id"]


def test_a_traceparent_is_told_as_cloud_logging_names_it() -> None:
    assert of(x_request_id="i", traceparent=f"00-{TRACE}-{SPAN}-01").fields() == {
        "request_id": "i",
        "logging.googleapis.com/trace": f"projects/shop/traces/{TRACE}",
        "logging.googleapis.com/spanId": SPAN,
        "logging.googleapis.com/trace_sampled": True,
    }


def test_without_a_project_the_trace_is_a_field_of_ours() -> None:
    fields = of("", traceparent=f"00-{TRACE}-{SPAN}-00").fields()
    assert fields["trace"] == TRACE
    assert "logging.googleapis.com/trace" not in fields


@pytest.mark.parametrize(
    ("sent", "span", "sampled"),
    [
        (f"{TRACE}/74;o=1", "000000000000004a", True),
        (f"{TRACE.upper()}/74;o=0", "000000000000004a", False),
        (f"{TRACE}/18446744073709551615", "f" * 16, False),
        (f"{TRACE}/18446744073709551616", "", False),
        (TRACE, "", False),
        (f"{TRACE};o=1", "", True),
    ],
)
def test_the_span_of_googles_older_header_is_decimal(sent: str, span: str, sampled: bool) -> None:
    found = of(x_cloud_trace_context=sent)
    assert (found.trace, found.span, found.sampled) == (f"projects/shop/traces/{TRACE}", span, sampled)


def test_a_traceparent_goes_before_the_older_header_unless_it_is_broken() -> None:
    older = "f" * 32 + "/1"
    assert of(traceparent=f"00-{TRACE}-{SPAN}-01", x_cloud_trace_context=older).span == SPAN
    assert of(traceparent="00-broken", x_cloud_trace_context=older).span.endswith("1")


@pytest.mark.parametrize(
    "sent",
    [
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-0",
        f" 00-{TRACE}-{SPAN}-01",
        "",
    ],
)
def test_a_traceparent_that_the_standard_calls_invalid_is_none(sent: str) -> None:
    assert of(traceparent=sent).trace == ""


def test_a_later_version_may_have_more_behind_it() -> None:
    assert of(traceparent=f"01-{TRACE}-{SPAN}-01-more").span == SPAN
