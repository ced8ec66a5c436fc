"""Models, their versions and the versions' aliases."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from tests.emulator.small_plane import DIGEST, MODEL, NUMBERED, PARENT, Small, running


def second(small: Small, **model: object) -> None:
    small.upload(parent_model=MODEL, **model)


def test_answers_name_the_project_by_its_number(small: Small) -> None:
    uploaded = small.upload()
    assert uploaded.model == f"{NUMBERED}/models/digits"
    assert small.models.get_model(name=MODEL).name == f"{NUMBERED}/models/digits"


def test_the_first_version_gets_the_default_alias_and_a_later_one_only_when_asked(small: Small) -> None:
    small.upload(version_aliases=["b-1"])
    second(small, version_aliases=["b-2"])
    aliases = {m.version_id: list(m.version_aliases) for m in small.models.list_model_versions(name=MODEL)}
    assert aliases == {"1": ["b-1", "default"], "2": ["b-2"]}
    assert small.models.get_model(name=MODEL).version_id == "1"
    assert small.models.get_model(name=f"{MODEL}@b-2").version_id == "2"
    assert small.models.get_model(name=f"{MODEL}@2").version_id == "2"


def test_a_requested_version_has_its_id_in_its_name(small: Small) -> None:
    small.upload(version_aliases=["b-1"])
    assert small.models.get_model(name=f"{MODEL}@b-1").name == f"{NUMBERED}/models/digits@1"


def test_listed_versions_have_their_ids_in_their_names_newest_first(small: Small) -> None:
    small.upload()
    second(small)
    names = [m.name.rpartition("/")[2] for m in small.models.list_model_versions(name=MODEL)]
    assert names == ["digits@2", "digits@1"]


def test_an_alias_uploaded_with_a_version_is_taken_from_the_version_that_had_it(small: Small) -> None:
    small.upload(version_aliases=["live"])
    second(small, version_aliases=["live", "default"])
    assert list(small.models.get_model(name=f"{MODEL}@1").version_aliases) == []
    assert list(small.models.get_model(name=MODEL).version_aliases) == ["default", "live"]


def test_aliases_are_moved_and_taken_away(small: Small) -> None:
    small.upload(version_aliases=["b-1"])
    second(small)
    merged = small.models.merge_version_aliases(name=f"{MODEL}@2", version_aliases=["default", "p-2"])
    assert (merged.version_id, list(merged.version_aliases)) == ("2", ["default", "p-2"])
    assert list(small.models.get_model(name=f"{MODEL}@1").version_aliases) == ["b-1"]
    taken = small.models.merge_version_aliases(name=f"{MODEL}@2", version_aliases=["-p-2"])
    assert list(taken.version_aliases) == ["default"]


def test_adding_and_removing_an_alias_at_once_cancels_out(small: Small) -> None:
    small.upload()
    merged = small.models.merge_version_aliases(name=f"{MODEL}@1", version_aliases=["x1", "-x1"])
    assert list(merged.version_aliases) == ["default"]


def test_the_default_alias_cannot_be_taken_away(small: Small) -> None:
    small.upload()
    with pytest.raises(exceptions.InvalidArgument, match="exactly one default"):
        small.models.merge_version_aliases(name=f"{MODEL}@1", version_aliases=["-default"])


def test_labels_of_model_and_version_are_merged_and_mislead(small: Small) -> None:
    small.upload(labels={"digest": "one", "team": "vision"})
    second(small, labels={"digest": "two"})
    third = small.upload(parent_model=MODEL)
    assert dict(small.models.get_model(name=f"{MODEL}@2").labels) == {"digest": "two", "team": "vision"}
    inherited = small.models.get_model(name=f"{MODEL}@{third.model_version_id}").labels
    assert inherited["digest"] == "one"
    by_label = v1.ListModelVersionsRequest(name=MODEL, filter='labels.digest="one"')
    assert [m.version_id for m in small.models.list_model_versions(by_label)] == ["3", "1"]


def test_the_description_of_a_version_is_its_own(small: Small) -> None:
    small.upload(version_description=f"seatrial {DIGEST}")
    second(small)
    described = {m.version_id: m.version_description for m in small.models.list_model_versions(name=MODEL)}
    assert described == {"1": f"seatrial {DIGEST}", "2": ""}


def test_an_existing_model_id_is_refused_and_nothing_is_created(small: Small) -> None:
    small.upload()
    with pytest.raises(exceptions.AlreadyExists):
        small.upload()
    assert len(list(small.models.list_model_versions(name=MODEL))) == 1


def test_a_version_of_a_missing_model_is_refused(small: Small) -> None:
    with pytest.raises(exceptions.NotFound):
        second(small)


def test_a_version_id_is_never_reused(small: Small) -> None:
    small.upload()
    second(small)
    small.models.delete_model_version(name=f"{MODEL}@2").result(timeout=20)
    assert small.upload(parent_model=MODEL).model_version_id == "3"


def test_the_only_version_and_the_default_version_cannot_be_deleted(small: Small) -> None:
    small.upload()
    with pytest.raises(exceptions.FailedPrecondition, match="only version"):
        small.models.delete_model_version(name=f"{MODEL}@1")
    second(small)
    with pytest.raises(exceptions.FailedPrecondition, match="default version"):
        small.models.delete_model_version(name=f"{MODEL}@1")


def test_a_deployed_version_and_its_model_cannot_be_deleted(small: Small) -> None:
    small.upload()
    second(small)
    endpoint = small.endpoint().name
    small.deploy(endpoint, f"{MODEL}@2", "2").result(timeout=20)
    with pytest.raises(exceptions.FailedPrecondition, match="deployed"):
        small.models.delete_model_version(name=f"{MODEL}@2")
    with pytest.raises(exceptions.FailedPrecondition, match="deployed"):
        small.models.delete_model(name=MODEL)


def test_a_deleted_model_is_gone_with_its_versions(small: Small) -> None:
    small.upload()
    second(small)
    small.models.delete_model(name=MODEL).result(timeout=20)
    for name in (MODEL, f"{MODEL}@2"):
        with pytest.raises(exceptions.NotFound):
            small.models.get_model(name=name)
    assert small.upload().model_version_id == "1"


def test_an_update_by_a_stale_etag_is_aborted(small: Small) -> None:
    small.upload()
    read = small.models.get_model(name=MODEL)
    mask = {"paths": ["description"]}
    changed = small.models.update_model(model=v1.Model(read, description="new"), update_mask=mask)
    assert (changed.description, changed.etag != read.etag) == ("new", True)
    with pytest.raises(exceptions.Aborted):
        small.models.update_model(model=v1.Model(read, description="newer"), update_mask=mask)


def test_fields_of_versions_and_of_models_are_updated_by_their_own_names_only(small: Small) -> None:
    small.upload()
    version = v1.Model(name=f"{MODEL}@1", version_description="better", description="x")
    updated = small.models.update_model(model=version, update_mask={"paths": ["version_description"]})
    assert updated.version_description == "better"
    with pytest.raises(exceptions.FailedPrecondition):
        small.models.update_model(model=version, update_mask={"paths": ["description"]})


def test_models_are_filtered_by_name_and_label_ordered_and_paged(small: Small) -> None:
    for name in ("one", "two", "three"):
        small.upload(model_id=name, display_name=name, labels={"kind": name[0]})
    listed = small.models.list_models(parent=PARENT)
    assert [m.display_name for m in listed] == ["three", "two", "one"]
    request = v1.ListModelsRequest(parent=PARENT, filter="labels.kind=t", order_by="display_name desc", page_size=1)
    assert [m.display_name for m in small.models.list_models(request)] == ["two", "three"]
    named = v1.ListModelsRequest(parent=PARENT, filter='displayName="one" AND model!="two"')
    assert [m.display_name for m in small.models.list_models(named)] == ["one"]
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        small.models.list_models(v1.ListModelsRequest(parent=PARENT, filter="colour=red"))


def test_a_read_mask_leaves_out_the_rest(small: Small) -> None:
    small.upload()
    request = v1.ListModelsRequest(parent=PARENT, read_mask={"paths": ["name"]})
    [model] = small.models.list_models(request)
    assert (model.name, model.display_name) == (f"{NUMBERED}/models/digits", "")


def test_output_only_fields_are_ignored_in_requests(small: Small) -> None:
    small.upload(version_id="77", etag="mine")
    model = small.models.get_model(name=MODEL)
    assert (model.version_id, model.etag != "mine") == ("1", True)


def test_a_chosen_id_is_still_taken_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path / "state.sqlite") as first:
        first.upload()
    with running(tmp_path / "state.sqlite") as second, pytest.raises(exceptions.AlreadyExists):
        second.upload()
