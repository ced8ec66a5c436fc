"""Which trials prove what is to be deployed: those of its digest, with the variables that its container will have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seatrial.bundle import digest_of
from seatrial.deploy.candidate import Candidate, Report, of_bundle, proven
from seatrial.project import Project
from seatrial.project.vertex import VertexSettings, variables_of, version_of
from tests.small_project import small_project
from tests.stages import Ended, ended

GERMAN = {"env": {"LANGUAGE": "de"}}


def project(folder: Path, **vertex: Any) -> Project:
    made = small_project(folder, {"artifacts/labels.txt": "a\n"})
    return made.model_copy(update={"vertex": VertexSettings.model_validate(vertex)})


def report(made: Project) -> Report:
    """Return the report of a trial of a project as it is."""
    digest = digest_of(made, "cpu")
    return Report(digest, digest, None, "cpu", "batched", variables_of(made.vertex))


def chosen(made: Project, *reports: Report) -> Ended[Candidate | None]:
    return ended(of_bundle(made, "cpu", reports))


def test_a_trial_with_other_variables_proves_nothing(tmp_path: Path) -> None:
    plain, german = project(tmp_path), project(tmp_path, **GERMAN)
    assert digest_of(plain, "cpu") == digest_of(german, "cpu")
    for made, other in ((plain, german), (german, plain)):
        assert proven(made, "cpu", [report(made)])
        assert not proven(made, "cpu", [report(other)])
        refused = chosen(made, report(other))
        assert refused.value is None
        assert "with other variables than vertex.env" in refused.errors[0].message
        assert chosen(made, report(other), report(made)).value is not None


def test_settings_of_the_model_name_another_version_of_the_same_bundle(tmp_path: Path) -> None:
    digests = set()
    env = {"A": "1", "B": "2"}
    assert version_of("d", VertexSettings(env=env)) == version_of("d", VertexSettings(env=dict(reversed(env.items()))))
    for vertex in ({}, GERMAN, {"shared_memory_mb": 512}, {"machine_type": "n1-standard-8", "spot": True}):
        made = project(tmp_path, **vertex)
        candidate = chosen(made, report(made)).value
        assert candidate is not None
        assert candidate.bundle_digest == digest_of(made, "cpu")
        digests.add(candidate.version_digest)
    assert len(digests) == 3
    assert digest_of(project(tmp_path), "cpu") in digests  # nothing that a machine is changes the version
