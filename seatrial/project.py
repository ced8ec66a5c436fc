"""[tool.seatrial] in pyproject.toml → Project. The only reader of configuration.

Every key has a default except `predictor`. An unknown key is an error that suggests the nearest known one.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticKnownError

from seatrial.errors import UsageError
from seatrial.serving import interfaces

IMPORT_PATH = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"
NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
PYTHON = r"^3\.\d+$"
TOP_LEVEL = r"^[A-Za-z_][A-Za-z0-9_]*$"
REGION = r"^[a-z]+(-[a-z]+)+[0-9]+$"  # such as us-central1, northamerica-northeast2
MEMORY = r"^[1-9]\d*[mg]$"
RESOURCE_ID = r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"  # CreateEndpointRequest.endpoint_id and UploadModelRequest.model_id
CLOUD_PROJECT = r"^([a-z][a-z0-9.:-]{4,61}[a-z0-9])?$"  # ids of old projects begin with a domain and a colon
ACCOUNT = r"^([a-z0-9-]+@[a-z0-9.-]+)?$"
MACHINE = r"^[a-z][a-z0-9]*-[a-z0-9-]+$"
ACCELERATOR = r"^(NVIDIA|TPU)_[A-Z0-9_]+$"
_LABEL_KEY, _LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_IN_WORDS = {  # what a value must be, for whoever wrote another one
    IMPORT_PATH: 'a module and a class in it, such as "predictor:DigitPredictor"',
    NAME: "at most 63 lower-case letters, digits and hyphens, the first and last no hyphen",
    PYTHON: 'a minor version of Python in quotes, such as "3.11"',
    REGION: 'a region such as "us-central1"',
    RESOURCE_ID: "at most 63 lower-case letters, digits and hyphens that begin with a letter and end with no hyphen",
    CLOUD_PROJECT: 'the id of a cloud project, such as "my-project"',
    ACCOUNT: 'the address of a service account, such as "serving@my-project.iam.gserviceaccount.com"',
    MACHINE: 'a machine type such as "n1-standard-4"',
    ACCELERATOR: 'an accelerator type such as "NVIDIA_L4"',
    MEMORY: 'megabytes or gigabytes, such as "512m" or "4g"',
    TOP_LEVEL: "the name of a top-level package or module, without dots and slashes",
    # pydantic's names of a wrong type
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "model_type": "a table",
    "int_type": "a whole number",
    "float_type": "a number",
}
RUNTIME_PYTHON_FLOOR = (3, 10)  # seatrial/serving/requirements.in: the runtime's own floor


def _kebab(name: str) -> str:
    return name.replace("_", "-")


class _Table(BaseModel):
    """A table of the configuration: keys in kebab-case, none unknown, values frozen."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, alias_generator=_kebab, populate_by_name=True
    )


class ImageSettings(_Table):
    """How the runtime opens an image. The defaults are those of torchvision's ImageFolder."""

    mode: Literal["RGB", "L", "RGBA", "keep"] = "RGB"  # what Image.convert() gets; "keep" converts nothing
    alpha: Literal["drop", "white", "black"] = "drop"  # what shows through transparent pixels
    exif: Literal["ignore", "apply"] = "ignore"  # whether the EXIF orientation turns the image


class ServingSettings(_Table):
    """What the server reads. All of it enters the bundle digest."""

    image: ImageSettings = ImageSettings()
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 8  # instances that one predict() call gets at most
    max_body_bytes: Annotated[int, Field(ge=1024)] = 10_000_000  # Vertex's limit on a dedicated endpoint
    max_pixels: Annotated[int, Field(ge=1)] = 40_000_000  # width x height; a 40-megapixel photo is 120 MB decoded


class LockSettings(_Table):
    """How the locks are made."""

    cpu_index: str = "https://download.pytorch.org/whl/cpu"  # where `+cpu` wheels come from


class SmokeSettings(_Table):
    """Limits of the trial; none of them reaches the server."""

    load_timeout: Annotated[float, Field(gt=0)] = 180.0  # seconds from start to healthy
    memory: Annotated[str, StringConstraints(pattern=MEMORY)] = "4g"  # that a container on trial may take
    tolerance_cpu: Annotated[float, Field(ge=0)] = 1e-5  # measured drift over batch sizes and threads: 7e-7
    tolerance_cuda: Annotated[float, Field(ge=0)] = 1e-2

    def tolerance_for(self, device: str) -> float:
        """Give how much a served number may differ from the recorded one on a device."""
        return self.tolerance_cuda if device == "cuda" else self.tolerance_cpu


class ContainerSettings(_Table):
    """How the container image is made and where it goes; none of it enters the bundle digest."""

    base: str = ""  # the image with the Python that serves, as NAME@sha256:DIGEST
    repository: str = ""  # where `image push` sends it: REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE
    engine: Literal["auto", "docker", "podman"] = "auto"


class RolloutSettings(_Table):
    """How a new version takes over the traffic of the one before it."""

    steps: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(strict=False)] = (10, 50, 100)  # percent
    bake: Annotated[float, Field(ge=0)] | None = None  # seconds at 100 % before the old goes; default 300, locally 0
    step_timeout: Annotated[float, Field(gt=0)] = 900.0  # seconds in which a step must have its answers
    max_error_rate: Annotated[float, Field(ge=0, le=1)] = 0.01  # of the answers in a step
    max_latency_ratio: Annotated[float, Field(gt=0)] = 1.5  # of the 95th percentiles, new to old
    staging: bool = False  # prove on an endpoint of its own before any traffic moves

    @model_validator(mode="after")
    def _steps_rise_to_all(self) -> RolloutSettings:
        if not self.steps or self.steps[-1] != 100 or list(self.steps) != sorted(set(self.steps)):
            raise ValueError("steps must rise and end with 100, such as [10, 50, 100]")
        return self


class VertexSettings(_Table):
    """Where the model lives on Google Cloud and what serves it; none of it enters the bundle digest."""

    project: Annotated[str, StringConstraints(pattern=CLOUD_PROJECT)] = (
        ""  # the cloud project's id; empty: rehearse on this machine
    )
    region: Annotated[str, StringConstraints(pattern=REGION)] = "us-central1"  # the image must lie in the same
    model: Annotated[str, StringConstraints(pattern=RESOURCE_ID)] | None = None  # default: the project's name
    endpoint: Annotated[str, StringConstraints(pattern=RESOURCE_ID)] | None = None  # default: the project's name
    endpoint_type: Literal["dedicated", "shared"] = "dedicated"  # dedicated: own host, 10 MB, up to an hour
    machine_type: Annotated[str, StringConstraints(pattern=MACHINE)] = "n1-standard-4"
    accelerator_type: Annotated[str, StringConstraints(pattern=ACCELERATOR)] | None = None  # such as "NVIDIA_L4"
    accelerator_count: Annotated[int, Field(ge=1, le=16)] = 1  # a replica, where there is a type
    min_replicas: Annotated[int, Field(ge=1)] = 1
    max_replicas: Annotated[int, Field(ge=1)] = 1
    cpu_target: Annotated[int, Field(ge=1, le=100)] | None = None  # percent at which replicas are added
    gpu_target: Annotated[int, Field(ge=1, le=100)] | None = None  # percent of the duty cycle
    service_account: Annotated[str, StringConstraints(pattern=ACCOUNT)] = (
        ""  # that the container runs as; empty: Vertex's own
    )
    labels: dict[str, str] = {}
    allow_unproven_device: bool = False  # deploy to an accelerator that no trial ran on
    upload_timeout: Annotated[float, Field(gt=0)] = 900.0  # seconds
    endpoint_timeout: Annotated[float, Field(gt=0)] = 300.0
    deploy_timeout: Annotated[float, Field(gt=0)] = 2700.0
    undeploy_timeout: Annotated[float, Field(gt=0)] = 900.0
    rollout: RolloutSettings = RolloutSettings()

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """The device of the target machine."""
        return "cuda" if self.accelerator_type else "cpu"

    @model_validator(mode="after")
    def _fits_together(self) -> VertexSettings:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min-replicas is {self.min_replicas}, more than max-replicas, {self.max_replicas}")
        for key in ("gpu_target", "accelerator_count"):
            if self.accelerator_type is None and key in self.model_fields_set:
                raise ValueError(f"{_kebab(key)} needs an accelerator-type")
        for key in ("cpu_target", "gpu_target"):
            if getattr(self, key) is not None and self.min_replicas == self.max_replicas:
                raise ValueError(f"{_kebab(key)} adds replicas, so max-replicas must be more than min-replicas")
        for key, value in self.labels.items():
            if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value) or key.startswith("seatrial-"):
                raise ValueError(
                    f"labels: {key} = {value!r}; at most 63 lower-case letters, digits, _ and -, the key begins with "
                    "a letter and not with seatrial-"
                )
        return self


# TOML's arrays arrive as lists; what is in them is as strict as all else.
_Texts = Annotated[tuple[str, ...], Field(strict=False)]
_Names = Annotated[tuple[Annotated[str, StringConstraints(pattern=TOP_LEVEL)], ...], Field(strict=False)]


def _known_interface(value: object) -> str:
    """Take a name of the table of interfaces, with pydantic's message for a `Literal` of these names."""
    names = [interfaces.AUTO, *interfaces.NAMES]
    if isinstance(value, str) and value in names:
        return value
    *first, last = map(repr, names)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(first)} or {last}"})


class Project(_Table):
    """A predictor project: its configuration and where its parts lie."""

    root: Path = Field(exclude=True)
    name: Annotated[str, StringConstraints(pattern=NAME)]
    predictor: Annotated[str, StringConstraints(pattern=IMPORT_PATH)]
    interface: Annotated[str, PlainValidator(_known_interface)] = interfaces.AUTO
    artifacts: str = "artifacts"
    python: Annotated[str, StringConstraints(pattern=PYTHON)] = "3.11"
    packages: _Names = ()  # top-level packages and modules that ship; default: the predictor's own
    package_data: _Texts = ()  # files beside the modules that ship too, as globs from the root
    lock: LockSettings = LockSettings()
    serving: ServingSettings = ServingSettings()
    smoke: SmokeSettings = SmokeSettings()
    image: ContainerSettings = ContainerSettings()
    vertex: VertexSettings = VertexSettings()
    ignore: dict[str, str] = {}  # code of a rule → why its findings are accepted everywhere in the project

    @model_validator(mode="before")
    @classmethod
    def _defaults_from_context(cls, data: dict[str, Any]) -> dict[str, Any]:
        data = dict(data)
        folder = re.sub(r"[^a-z0-9]+", "-", Path(data["root"]).name.lower()).strip("-")
        data.setdefault("name", folder[:63].rstrip("-") or "predictor")
        if not data.get("packages") and isinstance(data.get("predictor"), str):
            data["packages"] = [data["predictor"].split(":")[0].split(".")[0]]
        return data

    @model_validator(mode="after")
    def _python_is_served(self) -> Project:
        if tuple(int(n) for n in self.python.split(".")) < RUNTIME_PYTHON_FLOOR:
            raise ValueError(f"python: the serving runtime needs 3.10 or later, not {self.python}")
        return self

    @model_validator(mode="after")
    def _ships_only_its_own(self) -> Project:
        if self.build_dir.resolve().is_relative_to(self.artifacts_dir.resolve()):
            raise ValueError(f"artifacts: {self.artifacts!r} is a folder that build/ lies in; what ships needs its own")
        for pattern in self.package_data:
            if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise ValueError(f"package-data: {pattern!r} is no pattern of files below the project's folder")
        return self

    @property
    def model_id(self) -> str:
        """The id of the model on Vertex AI; one made from a name that begins with a digit gets a letter before it."""
        return self.vertex.model or self._resource_id

    @property
    def endpoint_id(self) -> str:
        """The id of the endpoint on Vertex AI."""
        return self.vertex.endpoint or self._resource_id

    @property
    def _resource_id(self) -> str:
        return self.name if self.name[0].isalpha() else f"m-{self.name}"[:63].rstrip("-")

    @property
    def predictor_module(self) -> str:
        """The module that the predictor class is imported from."""
        return self.predictor.split(":")[0]

    @property
    def predictor_class(self) -> str:
        """The name of the predictor class in that module."""
        return self.predictor.split(":")[1]

    @property
    def artifacts_dir(self) -> Path:
        """The folder that the predictor loads from."""
        return self.root / self.artifacts

    @property
    def requirements_in(self) -> Path:
        """What the user asks for."""
        return self.root / "requirements.in"

    @property
    def lock_file(self) -> Path:
        """The lock that ships; on Linux it holds the CUDA build of torch, which also runs on CPU."""
        return self.root / "requirements.txt"

    @property
    def cpu_lock_file(self) -> Path:
        """The lock of the CPU variant, where the project has one."""
        return self.root / "requirements-cpu.txt"

    def lock_for(self, device: str) -> Path:
        """Give the lock of a device: cuda → requirements.txt; cpu → requirements-cpu.txt where it exists."""
        if device == "cpu" and self.cpu_lock_file.is_file():
            return self.cpu_lock_file
        return self.lock_file

    @property
    def build_dir(self) -> Path:
        """Where stages put what they make."""
        return self.root / "build"


def load(root: Path, vertex: Mapping[str, str] | None = None) -> Project:
    """Read the project in folder `root`.

    Keys of [tool.seatrial.vertex] are taken from `vertex` first, as text under their dotted names in kebab-case, then
    from variables such as SEATRIAL_VERTEX_MACHINE_TYPE and SEATRIAL_VERTEX_ROLLOUT_STEPS, then from the file.

    Raises:
        UsageError: no pyproject.toml, no [tool.seatrial], or a key or value that does not fit.
    """
    file = root / "pyproject.toml"
    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool")
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no pyproject.toml in {root}", fix=_WHAT_IS_NEEDED) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    table = tool.get("seatrial") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        raise UsageError(f"{file} has no [tool.seatrial] table", fix=_WHAT_IS_NEEDED)
    if "root" in table:
        raise UsageError("[tool.seatrial] has an unknown key `root`")
    given = {**_from_environment(), **(vertex or {})}
    if given and isinstance(table.get("vertex", {}), dict):
        table = {**table, "vertex": _with_texts(table.get("vertex", {}), given)}
    try:
        return Project.model_validate({**table, "root": root.resolve()})
    except ValidationError as error:
        raise UsageError("\n".join(_explain(dict(e)) for e in error.errors())) from None


def _from_environment() -> dict[str, str]:
    """Give the keys of [tool.seatrial.vertex] that variables set; an empty variable sets nothing."""
    fields = {_kebab(name): name for name in VertexSettings.model_fields if name != "rollout"}
    fields |= {f"rollout.{_kebab(name)}": f"rollout_{name}" for name in RolloutSettings.model_fields}
    found = {key: os.environ.get(f"SEATRIAL_VERTEX_{name.upper()}", "") for key, name in fields.items()}
    return {key: text for key, text in found.items() if text}


def _with_texts(table: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Set keys of a table from texts: a number, true, false, a list or a table as TOML writes it, all else as text."""
    table = {**table}
    for key, text in given.items():
        first, _, second = key.partition(".")
        if second:
            inner = table.get(first, {})
            table[first] = _with_texts(inner if isinstance(inner, dict) else {}, {second: text})
        else:
            table[first] = _value(text)
    return table


def _value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | list | dict | str) else text  # a date is no value of ours


_WHAT_IS_NEEDED = 'pyproject.toml needs\n  [tool.seatrial]\n  predictor = "your_package:YourPredictor"'


def _explain(error: dict[str, Any]) -> str:
    """Turn one of pydantic's errors into a line that names the key as the user wrote it."""
    path = [str(part) for part in error["loc"]]
    key = ".".join(_kebab(part) for part in path)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(_kebab(path[-1]), _known_keys(path[:-1]), n=1)
        return f"[tool.seatrial] has an unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else "")
    if error["type"] == "missing":
        return f'[tool.seatrial] needs `{key}`, for example {key} = "predictor:DigitPredictor"'
    if error["type"] == "value_error":
        what = str(error["msg"]).removeprefix("Value error, ")
    else:
        wanted = _IN_WORDS.get(error.get("ctx", {}).get("pattern", error["type"]))
        must = f"must be {wanted}" if wanted else str(error["msg"]).replace("Input should", "must", 1)
        what = f"{must}, not {json.dumps(error['input'], ensure_ascii=False, default=str)}"
    return f"[tool.seatrial] {key}: {what}" if key else f"[tool.seatrial] {what}"


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Project
    for part in path:
        annotation = model.model_fields[part.replace("-", "_")].annotation
        assert isinstance(annotation, type)  # noqa: S101 - tables are classes, see above
        assert issubclass(annotation, BaseModel)  # noqa: S101
        model = annotation
    return [_kebab(name) for name in model.model_fields if name != "root"]
