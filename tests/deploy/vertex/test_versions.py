from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from google.api_core.exceptions import GoogleAPICallError, InvalidArgument, PermissionDenied, ServiceUnavailable
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Upload
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.messages import alias_of, upload_of
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.versions import find, find_or_upload, give, listing
from seatrial.errors import EnvironmentFaultError, StillRunningError
from tests.deploy.emulated import Emulated
from tests.stages import ended

UNAVAILABLE, INTERNAL, DENIED, INVALID, FAILED_PRECONDITION, UNIMPLEMENTED = 14, 13, 7, 3, 9, 12
MUTATING = ("UploadModel", "MergeVersionAliases", "DeleteModelVersion")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def upload(text: str = "one", model: str = "digits") -> Upload:
    return Upload(model, digest(text), "Digits", "us-central1-docker.pkg.dev/demo/r/i@sha256:" + "0" * 64)


def put(vertex: Vertex, text: str) -> str:
    """Upload a version behind the deployer's back, as a racing deploy that was killed right after leaves it."""
    model = f"{vertex.target.parent}/models/digits"
    exists = bool(listing(vertex, "digits"))
    request = upload_of(upload(text), vertex.target.parent, model if exists else "")
    return str(vertex.models.upload_model(request, timeout=5).result(timeout=5).model_version_id)


def assert_one_each(vertex: Vertex, *texts: str) -> None:
    """One version a digest, each with its alias, and exactly one default."""
    found = listing(vertex, "digits")
    assert sorted(version.digest for version in found) == sorted(map(digest, texts))
    assert all(alias_of(version.digest) in version.aliases for version in found)
    assert sum("default" in version.aliases for version in found) == 1


def test_nothing_is_found_where_there_is_no_model(vertex: Vertex) -> None:
    assert find(vertex, "digits", digest("one")) is None
    assert listing(vertex, "digits") == []


@pytest.mark.parametrize("code", [None, INVALID, FAILED_PRECONDITION])
def test_an_alias_that_no_version_has_finds_nothing_whatever_the_code(
    emulator: Emulated, vertex: Vertex, code: int | None
) -> None:
    put(vertex, "one")
    refused = emulator.fault("GetModel", code=code, times=None) if code else None
    assert find(vertex, "digits", digest("two")) is None
    assert refused is None or refused.hit.is_set()


def test_the_first_version_makes_the_model_and_the_second_leaves_default_where_it_is(vertex: Vertex) -> None:
    first, made = ended(find_or_upload(vertex, upload("one"), 10)).value
    assert made
    assert first.name == "projects/demo/locations/us-central1/models/digits@1"
    second, made = ended(find_or_upload(vertex, upload("two"), 10)).value
    assert made
    assert second.id == "2"
    assert second.digest == digest("two")
    assert [version.id for version in listing(vertex, "digits") if "default" in version.aliases] == ["1"]
    assert_one_each(vertex, "one", "two")


def test_a_version_that_is_there_is_found_and_nothing_is_changed(emulator: Emulated, vertex: Vertex) -> None:
    first, _ = ended(find_or_upload(vertex, upload(), 10)).value
    for method in MUTATING:
        emulator.fault(method, times=None, code=DENIED, message="must not be called")
    assert ended(find_or_upload(vertex, upload(), 10)).value == (first, False)
    assert give(vertex, first, alias_of(first.digest)) == first


def test_a_version_without_its_alias_is_found_by_its_description_and_gets_it_again(vertex: Vertex) -> None:
    first, _ = ended(find_or_upload(vertex, upload(), 10)).value
    vertex.models.merge_version_aliases(name=first.name, version_aliases=[f"-{alias_of(first.digest)}"])
    [bare] = listing(vertex, "digits")
    assert alias_of(first.digest) not in bare.aliases
    found, made = ended(find_or_upload(vertex, upload(), 10)).value
    assert (found.id, made) == (first.id, False)
    assert alias_of(first.digest) in found.aliases


def test_an_alias_on_something_else_is_not_believed(vertex: Vertex) -> None:
    ended(find_or_upload(vertex, upload("one"), 10))
    other, _ = ended(find_or_upload(vertex, upload("two"), 10)).value
    give(vertex, other, alias_of(digest("three")))
    with pytest.raises(EnvironmentFaultError, match=alias_of(digest("three"))):
        find(vertex, "digits", digest("three"))


def test_an_alias_that_is_given_leaves_the_version_that_had_it(vertex: Vertex) -> None:
    first, _ = ended(find_or_upload(vertex, upload("one"), 10)).value
    second, _ = ended(find_or_upload(vertex, upload("two"), 10)).value
    assert "default" in give(vertex, second, "default").aliases
    assert [version.id for version in listing(vertex, "digits") if "default" in version.aliases] == ["2"]
    assert "default" in give(vertex, first, "default").aliases


def test_versions_are_listed_by_number_over_all_pages(vertex: Vertex, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(11):
        put(vertex, f"number {number}")
    asked: list[str] = []
    listed = vertex.models.list_model_versions

    def one_page_of_four(request: v1.ListModelVersionsRequest, **how: object) -> object:
        asked.append(request.page_token)
        request.page_size = 4
        return listed(request=request, **how)

    monkeypatch.setattr(vertex.models, "list_model_versions", one_page_of_four)
    assert [version.id for version in listing(vertex, "digits")] == [str(number) for number in range(1, 12)]
    assert len(asked) == 3


def test_a_version_that_no_deploy_made_has_no_digest(vertex: Vertex) -> None:
    request = upload_of(upload(), vertex.target.parent, "")
    request.model.version_description = "by hand"
    request.model.version_aliases = []
    vertex.models.upload_model(request, timeout=5).result(timeout=5)
    assert [version.digest for version in listing(vertex, "digits")] == [""]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", [{"code": UNAVAILABLE}, {"reset": True}, {"silence": True}], ids=str)
def test_an_upload_whose_answer_is_lost_is_not_made_twice(
    emulator: Emulated, vertex: Vertex, when: str, fault: dict[str, Any]
) -> None:
    ended(find_or_upload(vertex, upload("one"), 10))
    lost = emulator.fault("UploadModel", when=when, **fault)
    found, _ = ended(find_or_upload(vertex, upload("two"), 10)).value
    assert lost.hit.is_set()
    assert found.id == "2"
    assert_one_each(vertex, "one", "two")


def test_a_running_upload_of_a_killed_deploy_is_waited_for_not_repeated(emulator: Emulated, vertex: Vertex) -> None:
    slow = emulator.fault(stage="UploadModel", seconds=0.5)
    vertex.models.upload_model(upload_of(upload(), vertex.target.parent, ""), timeout=5)
    again = emulator.fault("UploadModel", code=DENIED, message="must not be called")
    found, made = ended(find_or_upload(vertex, upload(), 10)).value
    assert (found.id, made) == ("1", False)
    assert slow.hit.is_set()
    assert not again.hit.is_set()


def test_without_a_list_of_operations_a_running_first_upload_is_found_by_its_model_id(
    emulator: Emulated, vertex: Vertex
) -> None:
    emulator.fault("ListOperations", times=None, code=UNIMPLEMENTED)
    emulator.fault(stage="UploadModel", seconds=0.5)
    vertex.models.upload_model(upload_of(upload(), vertex.target.parent, ""), timeout=5)
    assert ended(find_or_upload(vertex, upload(), 10)).value[0].id == "1"
    assert_one_each(vertex, "one")


def test_a_refused_upload_is_sent_once(emulator: Emulated, vertex: Vertex) -> None:
    refused = emulator.fault("UploadModel", times=2, code=DENIED, message="Permission denied.")
    with pytest.raises(PermissionDenied):
        ended(find_or_upload(vertex, upload(), 10))
    assert refused.times == 1


def test_a_service_that_stays_away_ends_the_upload_with_its_own_error(emulator: Emulated, vertex: Vertex) -> None:
    away = emulator.fault("UploadModel", times=None, code=UNAVAILABLE, message="away")
    with pytest.raises(ServiceUnavailable):
        ended(find_or_upload(vertex, upload(), 10))
    assert away.hit.is_set()
    assert listing(vertex, "digits") == []


def test_an_upload_that_fails_says_why(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="UploadModel", error=(FAILED_PRECONDITION, "the image cannot be read"))
    with pytest.raises(OperationFailedError, match="the image cannot be read") as failure:
        ended(find_or_upload(vertex, upload(), 10))
    assert failure.value.code == FAILED_PRECONDITION
    assert listing(vertex, "digits") == []


def test_an_upload_that_does_not_end_is_named_and_a_re_run_finds_it(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="UploadModel", never=True)
    with pytest.raises(StillRunningError, match=r"models/digits/operations/\d+"):
        ended(find_or_upload(vertex, upload(), 0.3))
    assert len(vertex.awaited) == 1
    emulator.faults.clear()
    assert ended(find_or_upload(vertex, upload(), 10)).value[0].id == "1"
    assert_one_each(vertex, "one")


def test_of_two_versions_of_a_digest_the_lower_stays_with_all_aliases(vertex: Vertex) -> None:
    put(vertex, "other")
    assert (put(vertex, "one"), put(vertex, "one")) == ("2", "3")
    third = listing(vertex, "digits")[2]
    give(vertex, give(vertex, third, "default"), "p-proven")
    end = ended(find_or_upload(vertex, upload(), 10))
    assert end.value[0].id == "2"
    assert {"default", "p-proven", alias_of(digest("one"))} <= set(end.value[0].aliases)
    assert any("3" in step for step in end.steps)
    assert_one_each(vertex, "one", "other")


def test_a_deploy_waits_for_an_upload_that_began_before_its_own_and_may_get_a_lower_number(
    emulator: Emulated, vertex: Vertex
) -> None:
    put(vertex, "other")
    model = f"{vertex.target.parent}/models/digits"
    emulator.fault(stage="UploadModel", seconds=0.6)
    vertex.models.upload_model(upload_of(upload(), vertex.target.parent, model), timeout=5)
    put(vertex, "one")
    ended(find_or_upload(vertex, upload(), 10))
    assert vertex.operations(model) == []
    assert_one_each(vertex, "one", "other")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["MergeVersionAliases", "DeleteModelVersion"])
@pytest.mark.parametrize("code", [UNAVAILABLE, INTERNAL])
def test_a_lost_answer_while_settling_a_race_changes_nothing_in_the_end(
    emulator: Emulated, vertex: Vertex, method: str, when: str, code: int
) -> None:
    put(vertex, "one")
    put(vertex, "one")
    lost = emulator.fault(method, when=when, code=code)
    assert ended(find_or_upload(vertex, upload(), 10)).value[0].id == "1"
    assert lost.hit.is_set()
    assert_one_each(vertex, "one")


class Killed(BaseException):
    """Ends a deployer as a signal that cannot be caught does: nothing of it runs any more."""


def killing(vertex: Vertex, at: int, *, after: bool) -> Callable[[], int]:
    """Kill the deployer at its `at`-th mutating call, before it is sent or after it took effect; count the calls."""
    count = 0
    write = vertex.write

    def write_or_die(method: Callable[..., object], request: object, **how: float) -> object:
        nonlocal count
        count += 1
        if count == at and not after:
            raise Killed
        answer = write(method, request, **how)
        if count == at:
            raise Killed
        return answer

    vertex.write = write_or_die  # type: ignore[assignment,method-assign]
    return lambda: count


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("left", [[], ["other"], ["one", "one"], ["other", "one", "one"]], ids=str)
def test_a_deploy_that_is_killed_at_any_change_ends_the_same_when_it_runs_again(
    emulator: Emulated, left: list[str], at: int, after: bool
) -> None:
    with emulator.vertex() as vertex:
        for text in left:
            put(vertex, text)
        calls = killing(vertex, at, after=after)
        try:
            ended(find_or_upload(vertex, upload(), 10))
        except Killed:
            assert calls() == at
    with emulator.vertex() as vertex:
        found, _ = ended(find_or_upload(vertex, upload(), 10)).value
        assert found.id == str([*left, "one"].index("one") + 1)
        assert_one_each(vertex, *{*left, "one"})


@pytest.mark.parametrize("first", [True, False], ids=["no-model-yet", "further-version"])
def test_ten_racing_deploys_of_one_digest_end_with_one_version(emulator: Emulated, vertex: Vertex, first: bool) -> None:
    if not first:
        put(vertex, "other")
    emulator.fault(stage="UploadModel", times=None, seconds=0.2)
    together = threading.Barrier(10)

    def deploy() -> tuple[str, bool]:
        with emulator.vertex() as own:
            together.wait()
            version, made = ended(find_or_upload(own, upload(), 30)).value
            return version.id, made

    with ThreadPoolExecutor(10) as pool:
        found = [future.result() for future in [pool.submit(deploy) for _ in range(10)]]
    winner = listing(vertex, "digits")[-1].id
    assert {version for version, _ in found} == {winner}
    assert sum(made for _, made in found) == 1
    assert_one_each(vertex, *(["one"] if first else ["other", "one"]))


def test_ten_racing_deploys_of_ten_digests_end_with_ten_versions(emulator: Emulated, vertex: Vertex) -> None:
    texts = [f"number {number}" for number in range(10)]

    def deploy(text: str) -> None:
        with emulator.vertex() as own:
            ended(find_or_upload(own, upload(text), 30))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(deploy, texts))
    assert_one_each(vertex, *texts)


def test_the_upload_request_says_what_the_api_requires() -> None:
    """The rules are those of the comments in model_service.proto and model.proto."""
    made = Upload(
        "digits",
        digest("one"),
        "Digits",
        "image",
        "gs://b/bundles/x",
        {"a": "b"},
        fields={"container_spec": {"env": [{"name": "K", "value": "V"}]}},
    )
    first = upload_of(made, "projects/p/locations/us-central1", "")
    further = upload_of(made, "projects/p/locations/us-central1", "projects/p/locations/us-central1/models/digits")
    assert (first.model_id, first.parent_model) == ("digits", "")
    assert (further.model_id, further.parent_model) == ("", "projects/p/locations/us-central1/models/digits")
    for request in (first, further):
        assert request.parent == "projects/p/locations/us-central1"
        model = request.model
        assert 0 < len(model.display_name) <= 128
        assert model.name == ""
        assert all(re.fullmatch("[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]", alias) for alias in model.version_aliases)
        assert "default" not in model.version_aliases
        assert model.version_description == f"seatrial {digest('one')}"
        assert model.artifact_uri == "gs://b/bundles/x"
        assert dict(model.labels) == {"a": "b"}
        assert model.container_spec.image_uri == "image"
        assert [port.container_port for port in model.container_spec.ports] == [8080]
        assert model.container_spec.health_route.startswith("/")
        assert model.container_spec.predict_route.startswith("/")
        assert [(variable.name, variable.value) for variable in model.container_spec.env] == [("K", "V")]


def test_an_invalid_request_is_refused_with_the_server_s_text(vertex: Vertex) -> None:
    bad = Upload("Not A Model", digest("one"), "Digits", "image")
    with pytest.raises(InvalidArgument) as refused:
        ended(find_or_upload(vertex, bad, 10))
    assert isinstance(refused.value, GoogleAPICallError)
