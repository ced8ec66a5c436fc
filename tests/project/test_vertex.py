"""[tool.seatrial.vertex]: what it takes, what becomes of each setting, and the page that is written from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from seatrial.errors import UsageError
from seatrial.project import load, page
from seatrial.project.values import kebab
from seatrial.project.vertex import DEPLOYED, ENDPOINT, MODEL, VertexSettings, fields_of, sent, variables_of, version_of

ROOT = Path(__file__).parents[2]
KEY = "projects/demo/locations/us-central1/keyRings/r/cryptoKeys/k"
DIGEST = "a" * 64
# A setting that is sent → a value of it, and others that it needs.
SENT: dict[str, dict[str, Any]] = {
    "private_projects": {"private_projects": ("demo-net",), "endpoint_type": "private"},
    "private_network": {
        "private_network": "projects/demo-net/global/networks/default",
        "private_projects": ("demo-net",),
        "endpoint_type": "private",
    },
    "inference_timeout": {"inference_timeout": 1200},
    "request_logging": {"request_logging": {"bigquery": "bq://demo"}},
    "kms_key": {"kms_key": KEY},
    "env": {"env": {"LANGUAGE": "de"}},
    "shared_memory_mb": {"shared_memory_mb": 512},
    "deployment_timeout": {"deployment_timeout": 3600},
    "startup_probe": {"startup_probe": {"http_get": "/health"}},
    "health_probe": {"health_probe": {"exec": ["true"]}},
    "liveness_probe": {"liveness_probe": {"tcp_socket": True, "period_seconds": 5}},
    "spot": {"spot": True},
    "reservation_affinity": {"reservation_affinity": "any"},
    "required_replicas": {"required_replicas": 1},
    "service_account": {"service_account": "me@demo.iam.gserviceaccount.com"},
    "container_logging": {"container_logging": False},
    "access_logging": {"access_logging": True},
}


def settings(**values: Any) -> VertexSettings:
    return VertexSettings.model_validate(values)


def loaded(folder: Path, vertex: str, given: dict[str, str] | None = None) -> VertexSettings:
    text = f'[tool.seatrial]\npredictor = "package.module:Name"\n[tool.seatrial.vertex]\n{vertex}\n'
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return load(folder, given).vertex


def refusal(folder: Path, vertex: str) -> str:
    with pytest.raises(UsageError) as raised:
        loaded(folder, vertex)
    return raised.value.message


def test_no_default_is_sent() -> None:
    assert [fields_of(settings(), to) for to in (MODEL, ENDPOINT, DEPLOYED)] == [{}, {}, {}]


def test_every_setting_that_is_sent_is_tried_here() -> None:
    assert {name for to in (MODEL, ENDPOINT, DEPLOYED) for name, _ in sent(to)} == set(SENT)


@pytest.mark.parametrize("name", SENT)
def test_a_setting_of_the_model_makes_another_version_and_no_other_does(name: str) -> None:
    given = settings(**SENT[name])
    of_model = name in {each for each, _ in sent(MODEL)}
    assert bool(fields_of(given, MODEL)) == of_model
    assert (version_of(DIGEST, given) != DIGEST) == of_model
    assert json.dumps([fields_of(given, to) for to in (MODEL, ENDPOINT, DEPLOYED)])  # whole numbers, texts and lists
    assert any(fields_of(given, to) for to in (MODEL, ENDPOINT, DEPLOYED))


def test_a_trial_is_of_the_variables_that_it_ran_with() -> None:
    one, other = settings(env={"A": "1"}), settings(env={"A": "2"})
    assert len({variables_of(settings()), variables_of(one), variables_of(other)}) == 3
    assert variables_of(settings(spot=True)) == ""


def test_a_machine_type_may_be_a_list(tmp_path: Path) -> None:
    assert loaded(tmp_path, 'machine-type = "n1-standard-8"').machine_type == ("n1-standard-8",)
    several = loaded(tmp_path, 'machine-type = ["n1-standard-8", "e2-standard-8"]')
    assert (several.machine, several.machine_type) == ("n1-standard-8", ("n1-standard-8", "e2-standard-8"))
    by_flag = loaded(tmp_path, "", {"machine-type": '["n1-standard-2", "n1-standard-4"]'})
    assert by_flag.machine_type == ("n1-standard-2", "n1-standard-4")


def test_a_table_can_be_given_by_flag(tmp_path: Path) -> None:
    found = loaded(tmp_path, "", {"env": "{LANGUAGE = 'de'}", "startup-probe.http-get": "/health"})
    assert found.env == {"LANGUAGE": "de"}
    assert fields_of(found, MODEL)["container_spec"]["startup_probe"] == {"http_get": {"path": "/health", "port": 8080}}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('machine-type = "big"', 'vertex.machine-type: must be a machine type such as "n1-standard-4", not "big"'),
        ('machine-type = ["n1-standard-4", "big"]', "vertex.machine-type.1: must be a machine type"),
        ("machine-type = []", "vertex.machine-type: "),
        ('machine-type = ["n1-standard-4", "n1-standard-4"]', "machine-type names a machine twice"),
        ("required-replicas = 2", "required-replicas is 2, more than min-replicas, 1"),
        ('spot = true\nreservation-affinity = "any"', "spot machines come from no reservation"),
        ('reservation-affinity = "mine"', 'must be "none", "any" or the name of a reservation'),
        ('endpoint-type = "shared"\ninference-timeout = 90', "inference-timeout needs endpoint-type"),
        ("inference-timeout = 3601", "vertex.inference-timeout: must be less than or equal to 3600"),
        ("deployment-timeout = 7201", "vertex.deployment-timeout: must be less than or equal to 7200"),
        ("shared-memory-mb = 0", "vertex.shared-memory-mb: must be greater than or equal to 1"),
        ('endpoint-type = "private"', "needs private-projects"),
        ('private-projects = ["demo-net"]', 'need endpoint-type = "private"'),
        (
            """private-network = "projects/vpc/global/networks/n"
            private-projects = ["demo-1"]
            endpoint-type = "private"
            """,
            "private-projects must name the project of private-network, vpc",
        ),
        ('kms-key = "my-key"', "vertex.kms-key: must be the name of a key"),
        (f'region = "europe-west4"\nkms-key = "{KEY}"', "kms-key is in us-central1, the model in europe-west4"),
        ('env = {AIP_MODE = "x"}', "env: AIP_MODE is set by Vertex AI itself"),
        ('env = {"1A" = "x"}', "env: '1A' is no name of a variable"),
        ('env = {A = "$(B)"}', "env: A refers to another variable; write its value out"),
        ("env = {A = 1}", "vertex.env.A: must be text in quotes, not 1"),
        ("request-logging = {sampling = 0.5}", "needs `vertex.request-logging.bigquery`"),
        ('request-logging = {bigquery = "logs"}', "must be a place in BigQuery"),
        ('request-logging = {bigquery = "bq://demo", sampling = 0.0}', "must be greater than 0"),
        ("startup-probe = {period-seconds = 5}", "a probe needs one of exec, http-get and tcp-socket"),
        ('startup-probe = {http-get = "/", tcp-socket = true}', "a probe needs one of exec, http-get and tcp-socket"),
        ('startup-probe = {http-get = "/", period = 5}', "did you mean `period-seconds`?"),
        ('health-probe = {http-get = "/", port = 0}', "vertex.health-probe.port: "),
        ("spots = true", "unknown key `vertex.spots`; did you mean `spot`?"),
    ],
)
def test_a_wrong_value_is_explained_with_its_key(tmp_path: Path, table: str, message: str) -> None:
    assert message in refusal(tmp_path, table)


def test_the_page_is_written_from_the_settings() -> None:
    assert (ROOT / "docs/vertex.md").read_text(encoding="utf-8") == page.page()


def test_every_setting_says_what_it_is() -> None:
    for name, field in VertexSettings.model_fields.items():
        assert name in ("rollout", "batch") or any(isinstance(each, str) for each in field.metadata), kebab(name)
