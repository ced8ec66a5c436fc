"""[tool.seatrial] in pyproject.toml → Project. Nothing else reads the configuration.

Every key except `predictor` has a default. An unknown key is an error that suggests the nearest known one. From top to
bottom: the tables, the project, `load`, and how faults are explained. `values` has the kinds of values, `vertex` the
table [tool.seatrial.vertex].
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticKnownError

from seatrial import layout
from seatrial.errors import UsageError
from seatrial.project import artifacts_lock
from seatrial.project.artifacts_lock import ArtifactsLock
from seatrial.project.values import (
    WORDS,
    ImportPath,
    Memory,
    Name,
    Positive,
    Python,
    RequirementsIn,
    Route,
    Seconds,
    Steps,
    Table,
    Texts,
    TopLevels,
    kebab,
)
from seatrial.project.vertex import BatchSettings, RolloutSettings, VertexSettings
from seatrial.serving import interfaces
from seatrial.system import cache

RUNTIME_PYTHON_FLOOR = (3, 10)  # seatrial/serving/requirements.in: the runtime's own floor
_WHAT_IS_NEEDED = (
    "run `seatrial init`, which writes what a repository lacks, or write into pyproject.toml\n  [tool.seatrial]\n"
    '  predictor = "your_package:YourPredictor"'
)

# Fields that are no keys of the table.
_OF_PLACE = {"root", "source_folders", "source-folders", "is_written", "is-written"}


class ImageSettings(Table):
    """How the runtime opens an image. The defaults are those of torchvision's ImageFolder."""

    mode: Literal["RGB", "L", "RGBA", "keep"] = "RGB"  # the argument of Image.convert(); "keep" does not convert
    alpha: Literal["drop", "white", "black"] = "drop"  # what shows through transparent pixels
    exif: Literal["ignore", "apply"] = "ignore"  # whether the EXIF orientation turns the image


class ServingSettings(Table):
    """What the server reads. All of it is part of the bundle digest."""

    image: ImageSettings = ImageSettings()
    max_batch: Annotated[int, Field(ge=1, le=1024)] = 8  # instances in one call of predict()
    max_body_bytes: Annotated[int, Field(ge=1024)] = 10_000_000  # Vertex's limit on a dedicated endpoint
    max_pixels: Positive = 40_000_000  # width x height; a 40-megapixel photo is 120 MB decoded
    max_instances: Positive = 1024  # of one request
    max_waiting: Positive = 1024  # requests that wait for a worker; those beyond it are answered 503
    request_timeout: Seconds = 60.0  # what a shared public endpoint waits; a request that is older is not computed
    # Processes that predict: "auto" is one a core, or one a GPU. A class that keeps state across requests needs 1.
    workers: Literal["auto"] | Annotated[int, Field(ge=1, le=256)] = "auto"
    optimize: Steps = ()  # what makes the model faster: "fold-conv-bn", "channels-last"
    metrics_route: Route = "/metrics"  # "" for none; the routes of health and predictions go before it
    log_requests: Literal["refused", "all"] = "refused"  # which get a line in the log; failed ones always do


class LockSettings(Table):
    """How the locks are made."""

    cpu_index: str = "https://download.pytorch.org/whl/cpu"  # where `+cpu` wheels come from
    # What is asked for; the lock is beside it, with the ending .txt: another name where requirements.txt is training's.
    requirements: RequirementsIn = "requirements.in"


class StageTolerance(Table):
    """By how much a stage between an input and its answer may differ from training, and why that is right."""

    tolerance: Annotated[float, Field(ge=0)]  # in the stage's own units
    reason: Annotated[str, Field(min_length=1)]


class SmokeSettings(Table):
    """Limits of the trial. The server does not read them."""

    load_timeout: Seconds = 180.0  # seconds from start to healthy
    memory: Memory = "4g"  # limit of a container on trial
    tolerance_cpu: Annotated[float, Field(ge=0)] = 1e-5  # measured drift over batch sizes and threads: 7e-7
    tolerance_cuda: Annotated[float, Field(ge=0)] = 1e-2
    # What the base image has besides a slim one: names of programs and libraries, and paths.
    image_has: Texts = ()
    # By the name of a stage, or "decode", "transform" or "output" for all of a kind.
    stages: dict[str, StageTolerance] = {}

    def tolerance_for(self, device: str) -> float:
        """Return by how much a served number may differ from the recorded one on a device."""
        return self.tolerance_cuda if device == "cuda" else self.tolerance_cpu


class ContainerSettings(Table):
    """How the container image is made and where it goes. None of it is part of the bundle digest."""

    base: str = ""  # an image with the predictor's Python: NAME@sha256:DIGEST, or sha256:ID if it was built here
    repository: str = ""  # where `image push` sends it: REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE
    engine: Literal["auto", "docker", "podman"] = "auto"


def _known_interface(value: object) -> str:
    """Validate a name of the table of interfaces, as pydantic validates a `Literal` of these names."""
    names = [interfaces.AUTO, *interfaces.NAMES]
    if isinstance(value, str) and value in names:
        return value
    *first, last = map(repr, names)
    raise PydanticKnownError("literal_error", {"expected": f"{', '.join(first)} or {last}"})


class Project(Table):
    """A predictor project: its configuration and the places of its files."""

    root: Path = Field(exclude=True)
    source_folders: tuple[str, ...] = Field(default=layout.USUAL, exclude=True)  # where `packages` are looked for
    is_written: bool = Field(default=True, exclude=True)  # whether there is a table; without one, see `load`
    name: Name  # default: made from the folder's name
    predictor: ImportPath
    interface: Annotated[str, PlainValidator(_known_interface)] = interfaces.AUTO
    artifacts: str = "artifacts"  # a folder of the project, or gs://bucket/folder with artifacts.lock beside this file
    python: Python = "3.11"
    packages: TopLevels = ()  # top-level packages and modules that ship; default: the predictor's own
    package_data: Texts = ()  # globs from the root: files beside the modules that ship too
    lock: LockSettings = LockSettings()
    serving: ServingSettings = ServingSettings()
    smoke: SmokeSettings = SmokeSettings()
    image: ContainerSettings = ContainerSettings()
    vertex: VertexSettings = VertexSettings()
    ignore: dict[str, str] = {}  # code of a rule → why its findings are accepted in the whole project

    @model_validator(mode="before")
    @classmethod
    def _defaults_from_context(cls, data: dict[str, Any]) -> dict[str, Any]:
        data = dict(data)
        if str(data.get("artifacts", "")).startswith(artifacts_lock.SCHEME):
            data["artifacts"] = artifacts_lock.SCHEME + data["artifacts"].removeprefix(artifacts_lock.SCHEME).rstrip(
                "/"
            )
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
        if "://" in self.artifacts and not artifacts_lock.is_folder(self.artifacts):
            raise ValueError(
                f"artifacts: {self.artifacts!r} is neither a folder of the project nor one of Cloud Storage, which is "
                "gs://bucket/folder"
            )
        if not self.is_remote and self.build_dir.resolve().is_relative_to(self.artifacts_dir.resolve()):
            raise ValueError(f"artifacts: {self.artifacts!r} contains build/; the artifacts need their own folder")
        for pattern in self.package_data:
            if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
                raise ValueError(f"package-data: {pattern!r} is not a pattern of files below the project's folder")
        return self

    @property
    def model_id(self) -> str:
        """The id of the model on Vertex AI; an id made from a name that begins with a digit gets a letter first."""
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

    def home_of(self, package: str) -> Path:
        """Return the folder that an entry of `packages` lies in: the root, `src`, or what the build backend names."""
        return layout.home_of(self.root, self.source_folders, package)

    def shipped_path(self, path: str) -> str:
        """Return where a file of the project is in the wheel: the folder around a package is left out."""
        for home in {self.home_of(package) for package in self.packages} - {self.root}:
            if (inside := path.removeprefix(f"{home.relative_to(self.root).as_posix()}/")) != path:
                return inside
        return path

    @property
    def is_remote(self) -> bool:
        """Whether the artifacts lie in Cloud Storage."""
        return self.artifacts.startswith(artifacts_lock.SCHEME)

    @property
    def artifacts_lock_file(self) -> Path:
        """What is in the folder of Cloud Storage."""
        return self.root / artifacts_lock.NAME

    @property
    def locked_artifacts(self) -> ArtifactsLock | None:
        """What is in the folder of Cloud Storage; None if the artifacts are a folder of the project.

        Raises:
            UsageError: there is no lock of the artifacts, or not one of this folder.
        """
        return artifacts_lock.read(self.artifacts_lock_file, self.artifacts) if self.is_remote else None

    @property
    def artifacts_dir(self) -> Path:
        """The folder that the predictor loads from; of Cloud Storage's, the one in the cache, which may not be there.

        Raises:
            UsageError: as `locked_artifacts`.
        """
        lock = self.locked_artifacts
        return self.root / self.artifacts if lock is None else cache.artifacts_dir() / "folders" / lock.digest

    @property
    def has_unseen_artifacts(self) -> bool:
        """Whether the artifacts lie in Cloud Storage only: their names and digests are known, their bytes are not."""
        return self.is_remote and not self.artifacts_dir.is_dir()

    def has_artifact(self, path: str) -> bool:
        """Return whether the artifacts have a file or folder; of Cloud Storage, by the lock alone."""
        lock = self.locked_artifacts
        if lock is None:
            return (self.artifacts_dir / path).exists()
        return any(each == path or each.startswith(f"{path}/") for each in lock.digests)

    def shown(self, file: Path) -> str:
        """Return the path of a file as messages name it: from the root, or below the folder of Cloud Storage."""
        if self.is_remote and file.is_relative_to(folder := self.artifacts_dir):
            return f"{self.artifacts}/{file.relative_to(folder).as_posix()}"
        return Path(os.path.relpath(file, self.root)).as_posix()

    @property
    def requirements_in(self) -> Path:
        """The requirements, as the user writes them: requirements.in."""
        return self.root / self.lock.requirements

    @property
    def lock_file(self) -> Path:
        """The lock that ships, requirements.txt; on Linux it pins torch's CUDA build, which also runs on the CPU."""
        return self.requirements_in.with_suffix(".txt")

    @property
    def cpu_lock_file(self) -> Path:
        """The lock of the CPU variant, requirements-cpu.txt, if the project has one."""
        return self.requirements_in.with_name(f"{self.requirements_in.stem}-cpu.txt")

    def lock_for(self, device: str) -> Path:
        """Return the lock of a device: cuda → requirements.txt; cpu → requirements-cpu.txt if it exists."""
        if device == "cpu" and self.cpu_lock_file.is_file():
            return self.cpu_lock_file
        return self.lock_file

    @property
    def build_dir(self) -> Path:
        """The folder for everything that stages make."""
        return self.root / "build"


def load(
    root: Path, vertex: Mapping[str, str] | None = None, unwritten: Callable[[Path], dict[str, Any]] = lambda _: {}
) -> Project:
    """Read the project in the folder `root`.

    Keys of [tool.seatrial.vertex] come from `vertex`, as text under their dotted names in kebab-case, then from
    variables such as SEATRIAL_VERTEX_MACHINE_TYPE and SEATRIAL_VERTEX_ROLLOUT_STEPS, then from the file. Where there is
    no [tool.seatrial], `unwritten` gets the folder and returns what the table would be, {} if nothing tells.

    Raises:
        UsageError: no pyproject.toml, no [tool.seatrial], or a wrong key or value.
    """
    file = root / "pyproject.toml"
    tool = _tool(file) if file.exists() else {}
    taken = {} if isinstance(tool.get("seatrial"), dict) else unwritten(root)
    table = taken or _table(file, tool or _tool(file))
    given = {**from_environment(), **(vertex or {})}
    if given and isinstance(table.get("vertex", {}), dict):
        table = {**table, "vertex": _with_texts(table.get("vertex", {}), given)}
    try:
        place = {"root": root.resolve(), "source_folders": layout.folders(tool), "is_written": not taken}
        return Project.model_validate({**table, **place})
    except ValidationError as error:
        raise UsageError("\n".join(_explain(dict(e), table) for e in error.errors())) from None


def around(folder: Path) -> Path:
    """Return the nearest folder with a project, a folder or one above it; the folder itself if there is none."""
    if (folder / "pyproject.toml").exists():
        return folder
    try:
        here = folder.resolve()
    except OSError:  # the working directory was removed
        return folder
    found = next((above for above in here.parents if _is_project(above)), None)
    return folder / os.path.relpath(found, here) if found else folder


def _is_project(folder: Path) -> bool:
    try:
        return isinstance(_tool(folder / "pyproject.toml").get("seatrial"), dict)
    except UsageError:
        return False


def _tool(file: Path) -> dict[str, Any]:
    """Read [tool] of a pyproject.toml."""
    try:
        if not file.is_file() and not file.is_dir():  # a pipe never answers, and a device never ends
            raise UsageError(f"no pyproject.toml in {file.parent}", fix=_WHAT_IS_NEEDED)
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is not valid TOML: {error}") from None
    except RecursionError:
        raise UsageError(f"{file} is nested too deeply") from None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    return tool if isinstance(tool, dict) else {}


def _table(file: Path, tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return [tool.seatrial] of the [tool] of a pyproject.toml."""
    table = tool.get("seatrial")
    if not isinstance(table, dict):
        raise UsageError(f"{file} has no [tool.seatrial] table", fix=_WHAT_IS_NEEDED)
    for key in _OF_PLACE & table.keys():
        raise UsageError(f"[tool.seatrial] has an unknown key `{key}`")
    return table


def written(root: Path) -> dict[str, Any]:
    """Return [tool.seatrial] as the file in a folder has it; empty if it has none."""
    try:
        table = _tool(root / "pyproject.toml").get("seatrial")
    except UsageError:
        return {}
    return table if isinstance(table, dict) else {}


def variable_of(key: str) -> str:
    """Return the variable that sets a key of [tool.seatrial.vertex]."""
    return f"SEATRIAL_VERTEX_{key.replace('.', '_').replace('-', '_').upper()}"


def from_environment() -> dict[str, str]:
    """Return the keys of [tool.seatrial.vertex] that variables set; an empty variable sets nothing."""
    tables: dict[str, type[BaseModel]] = {"rollout": RolloutSettings, "batch": BatchSettings}
    fields = {kebab(name): name for name in VertexSettings.model_fields if name not in tables}
    for table, settings in tables.items():
        fields |= {f"{table}.{kebab(name)}": f"{table}_{name}" for name in settings.model_fields}
    found = {key: os.environ.get(f"SEATRIAL_VERTEX_{name.upper()}", "") for key, name in fields.items()}
    return {key: text for key, text in found.items() if text}


def _with_texts(table: dict[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Set keys of a table from texts: TOML's numbers, booleans, lists and tables as such, everything else as text."""
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
    return value if isinstance(value, bool | int | float | list | dict | str) else text  # no key takes a date


def _explain(error: dict[str, Any], table: Mapping[str, Any]) -> str:
    """Return one of pydantic's errors as a line that names the key as the user wrote it in the table."""
    path = _written(error["loc"], table)
    key = ".".join(kebab(part) for part in path)
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(kebab(path[-1]), _known_keys(path[:-1]), n=1)
        return f"[tool.seatrial] has an unknown key `{key}`" + (f"; did you mean `{near[0]}`?" if near else "")
    if error["type"] == "missing":
        return f'[tool.seatrial] needs `{key}`, for example {key} = "predictor:DigitPredictor"'
    if error["type"] == "value_error":
        what = str(error["msg"]).removeprefix("Value error, ")
    else:
        wanted = WORDS.get(error.get("ctx", {}).get("pattern", error["type"]))
        must = f"must be {wanted}" if wanted else str(error["msg"]).replace("Input should", "must", 1)
        what = f"{must}, not {json.dumps(error['input'], ensure_ascii=False, default=str)}"
    return f"[tool.seatrial] {key}: {what}" if key else f"[tool.seatrial] {what}"


def _written(path: tuple[str | int, ...], table: Any) -> list[str]:
    """Return the path of an error without the number of an item where the user wrote one value instead of a list."""
    found: list[str] = []
    for part in path:
        if isinstance(part, str) and isinstance(table, Mapping):
            table = table.get(kebab(part), table.get(part))
        elif isinstance(part, int) and isinstance(table, list | tuple):
            table = table[part]
        elif isinstance(part, int):
            continue
        found.append(str(part))
    return found


def _known_keys(path: list[str]) -> list[str]:
    model: type[BaseModel] = Project
    for part in path:
        annotation = model.model_fields[part.replace("-", "_")].annotation
        model = next(
            each for each in (annotation, *get_args(annotation)) if isinstance(each, type)
        )  # or it is optional
        assert issubclass(model, BaseModel)  # noqa: S101 - tables are classes
    return [kebab(name) for name in model.model_fields if name not in _OF_PLACE]
