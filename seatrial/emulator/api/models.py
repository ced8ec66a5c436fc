"""ModelService: models, their versions and the versions' aliases.

A model's own record has what all versions share, a version's record the rest; an answer merges them as the API does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from seatrial.emulator.api import listing, refusals, validation
from seatrial.emulator.api.operations import Operations, Work, now
from seatrial.emulator.api.resource_names import ModelName, Names, new_etag, new_id
from seatrial.emulator.api.state import Message, State, Transaction

Model = v1.Model.pb()
_Endpoint = v1.Endpoint.pb()
_DEFAULT = "default"
_OUTPUT_ONLY = (  # Output only in model.proto: ignored in requests
    "name",
    "version_id",
    "version_create_time",
    "version_update_time",
    "supported_export_formats",
    "training_pipeline",
    "supported_deployment_resources_types",
    "supported_input_storage_formats",
    "supported_output_storage_formats",
    "create_time",
    "update_time",
    "deployed_models",
    "etag",
    "data_stats",
    "model_source_info",
    "original_model_info",
    "satisfies_pzs",
    "satisfies_pzi",
)
_SHARED = ("display_name", "description", "labels", "encryption_spec")  # what a model's own record has


class Models:
    """Answers ModelService's calls."""

    def __init__(self, state: State, names: Names, operations: Operations) -> None:
        self._state = state
        self._names = names
        self._operations = operations

    def upload(self, request: Message) -> Message:
        """Begin to create a model with its first version, or another version of `parent_model`."""
        parent = self._names.location(request.parent, "parent")
        region = parent.rpartition("/")[2]
        validation.upload_model(request, region)
        if request.parent_model:
            model = self._names.model(request.parent_model, "parent_model").name
        else:
            model = f"{parent}/models/{request.model_id or new_id()}"
        metadata = v1.UploadModelOperationMetadata.pb()()
        with self._state.transaction() as tx:
            known = tx.get(Model, model) is not None
            if request.parent_model and not known:
                raise refusals.not_found("model", model)
            if not request.parent_model and (known or tx.reserved(model)):
                raise refusals.already_exists("model", model)
            name = self._operations.begin(tx, model, metadata)
            if not request.parent_model:
                tx.reserve(model, name)

        def worker(work: Work) -> Callable[[Transaction], Message]:
            work.stage()
            return lambda tx: self._add(tx, model, request)

        return self._operations.run(name, "UploadModel", worker)

    def get(self, request: Message) -> Message:
        """Answer GetModel for a model, which is its default version, or for a version by id or alias."""
        name = self._names.model(request.name, "name")
        with self._state.transaction() as tx:
            return _named(tx, name)

    def list(self, request: Message) -> Message:
        """Answer ListModels: each model with its default version, newest first."""
        parent = self._names.location(request.parent, "parent")
        with self._state.transaction() as tx:
            names = [name for name, _ in tx.below(Model, f"{parent}/models/") if "@" not in name]
            found = [answer(tx, name, find(tx, ModelName(name, "", "", ""))) for name in names]
        found.sort(key=lambda model: -model.create_time.ToNanoseconds())
        fields = {"model": lambda m: m.name.rpartition("/")[2], "display_name": lambda m: m.display_name}
        models, token = listing.page(
            request, found, fields=fields, order=("display_name", "create_time", "update_time")
        )
        return v1.ListModelsResponse.pb()(models=models, next_page_token=token)

    def list_versions(self, request: Message) -> Message:
        """Answer ListModelVersions, newest first, each with its version's id in its name."""
        name = self._names.model(request.name, "name")
        with self._state.transaction() as tx:
            _known(tx, name.name)
            found = [answer(tx, name.name, version) for version in reversed(list(versions(tx, name.name)))]
        for model in found:
            model.name = f"{model.name}@{model.version_id}"
        models, token = listing.page(request, found, fields={}, order=("create_time", "update_time"))
        return v1.ListModelVersionsResponse.pb()(models=models, next_page_token=token)

    def update(self, request: Message) -> Message:
        """Answer UpdateModel: change a model's fields, or a version's if the name has a version."""
        name = self._names.model(request.model.name, "model.name")
        versioned = name.version not in ("", "-")
        validation.update_model(request, versioned)
        with self._state.transaction() as tx:
            version = find(tx, name if versioned else ModelName(name.name, "", "", ""))
            if request.model.etag and request.model.etag != answer(tx, name.name, version).etag:
                raise refusals.stale_etag(name.name)
            record = version if versioned else _known(tx, name.name)
            for field in request.update_mask.paths:
                copy_field(request.model, record, field)
            record.etag = new_etag()
            stamp = record.version_update_time if versioned else record.update_time
            stamp.CopyFrom(now())
            tx.put(_version_name(name.name, version.version_id) if versioned else name.name, record)
            return _named(tx, name)

    def merge_aliases(self, request: Message) -> Message:
        """Answer MergeVersionAliases; an alias that one version gets is taken from the other."""
        name = self._names.model(request.name, "name")
        validation.merge_version_aliases(request.version_aliases, name.version)
        given = {alias for alias in request.version_aliases if not alias.startswith("-")}
        taken = {alias[1:] for alias in request.version_aliases if alias.startswith("-")}
        with self._state.transaction() as tx:
            version = find(tx, name)
            _move_aliases(tx, name.name, version, given - taken)
            kept = [a for a in version.version_aliases if a not in taken - given]
            _set_aliases(tx, name.name, version, kept)
            return _named(tx, name)

    def delete(self, request: Message) -> Message:
        """Begin to delete a model with all its versions."""
        name = self._names.model(request.name, "name")
        with self._state.transaction() as tx:
            _known(tx, name.name)
            _unused(tx, name.name, None)
            operation = self._operations.begin(tx, name.name, v1.DeleteOperationMetadata.pb()())

        def commit(tx: Transaction) -> Message:
            _unused(tx, name.name, None)
            for version in list(versions(tx, name.name)):
                tx.remove(Model, _version_name(name.name, version.version_id))
            tx.remove(Model, name.name)
            tx.end_series(name.name)
            return empty_pb2.Empty()

        return self._operations.run(operation, "DeleteModel", staged(commit))

    def delete_version(self, request: Message) -> Message:
        """Begin to delete a version, unless it is the only one, the default or deployed."""
        name = self._names.model(request.name, "name")
        if not name.version.isdecimal():
            raise refusals.found_errors([("name", "a version ID must be explicitly included")])
        with self._state.transaction() as tx:
            self._deletable(tx, name)
            operation = self._operations.begin(tx, name.name, v1.DeleteOperationMetadata.pb()())

        def commit(tx: Transaction) -> Message:
            self._deletable(tx, name)
            tx.remove(Model, _version_name(name.name, name.version))
            return empty_pb2.Empty()

        return self._operations.run(operation, "DeleteModelVersion", staged(commit))

    def _deletable(self, tx: Transaction, name: ModelName) -> None:
        version = find(tx, name)
        if len(list(versions(tx, name.name))) == 1:
            # "Deleting the only version in the Model is not allowed": model_service.proto
            raise refusals.precondition(f"Version {name.version} is the only version of {name.name}. Use DeleteModel.")
        if _DEFAULT in version.version_aliases:
            # "There must be exactly one default version alias for a model": model.proto
            raise refusals.precondition(f"Version {name.version} is the default version of {name.name}.")
        _unused(tx, name.name, name.version)

    def _add(self, tx: Transaction, name: str, request: Message) -> Message:
        stamp = now()
        record = tx.get(Model, name)
        if record is None and request.parent_model:
            raise refusals.not_found("model", name)
        version = Model()
        version.CopyFrom(request.model)
        for field in _OUTPUT_ONLY:
            version.ClearField(field)
        first = record is None
        if first:
            record = Model(name=name, create_time=stamp, update_time=stamp, etag=new_etag())
            for field in _SHARED:
                copy_field(version, record, field)
            tx.put(name, record)
        aliases = set(version.version_aliases) | ({_DEFAULT} if first else set())
        for field in ("display_name", "description", "version_aliases", *(("labels",) if first else ())):
            version.ClearField(field)
        version.version_id = str(tx.count(name))
        version.etag = new_etag()
        version.version_create_time.CopyFrom(stamp)
        version.version_update_time.CopyFrom(stamp)
        tx.put(_version_name(name, version.version_id), version)
        _move_aliases(tx, name, version, aliases)
        return v1.UploadModelResponse.pb()(model=name, model_version_id=version.version_id)


def find(tx: Transaction, name: ModelName) -> Message:
    """Return the record of the named version.

    Raises:
        RefusedError: NOT_FOUND.
    """
    _known(tx, name.name)
    wanted = name.version or _DEFAULT
    if wanted.isdecimal():
        version = tx.get(Model, _version_name(name.name, wanted))
    else:
        version = next((v for v in versions(tx, name.name) if wanted in v.version_aliases), None)
    if version is None:
        raise refusals.not_found("model version", f"{name.name}@{wanted}")
    return version


def versions(tx: Transaction, name: str) -> Iterator[Message]:
    """Return the records of a model's versions, oldest first."""
    found = [version for _, version in tx.below(Model, f"{name}@")]
    return iter(sorted(found, key=lambda version: int(version.version_id)))


def answer(tx: Transaction, name: str, version: Message) -> Message:
    """Return a version as the API answers it: merged with its model, and with its deployments."""
    record = _known(tx, name)
    model = Model()
    model.CopyFrom(version)
    model.name = name
    for field in ("display_name", "description", "create_time"):
        copy_field(record, model, field)
    labels = {**record.labels, **version.labels}
    model.labels.clear()
    model.labels.update(labels)
    model.update_time.CopyFrom(max(record.update_time, version.version_update_time, key=lambda t: t.ToNanoseconds()))
    model.etag = f"{record.etag}.{version.etag}"
    model.version_aliases.sort()
    model.supported_deployment_resources_types.append(v1.Model.DeploymentResourcesType.DEDICATED_RESOURCES)
    model.model_source_info.source_type = v1.ModelSourceInfo.ModelSourceType.CUSTOM
    for endpoint, deployed_id in _uses(tx, name, version.version_id):
        model.deployed_models.add(endpoint=endpoint, deployed_model_id=deployed_id)
    return model


def copy_field(source: Message, target: Message, field: str) -> None:
    """Copy a field, also if it is not set in the source."""
    target.ClearField(field)
    part = type(source)()
    part.CopyFrom(source)
    for other in [f.name for f, _ in part.ListFields() if f.name != field]:
        part.ClearField(other)
    target.MergeFrom(part)


def staged(commit: Callable[[Transaction], Message]) -> Callable[[Work], Callable[[Transaction], Message]]:
    """Return a worker with one stage that only changes records."""

    def worker(work: Work) -> Callable[[Transaction], Message]:
        work.stage()
        return commit

    return worker


def _named(tx: Transaction, name: ModelName) -> Message:
    # A version's name has the version's id: ModelRegistry.update_version of Google's SDK sends the name back unchanged.
    versioned = name.version not in ("", "-")
    model = answer(tx, name.name, find(tx, name if versioned else ModelName(name.name, name.id, name.region, "")))
    if versioned:
        model.name = f"{name.name}@{model.version_id}"
    return model


def _known(tx: Transaction, name: str) -> Message:
    record = tx.get(Model, name)
    if record is None:
        raise refusals.not_found("model", name)
    return record


def _version_name(name: str, version: str) -> str:
    return f"{name}@{version}"


def _move_aliases(tx: Transaction, name: str, version: Message, aliases: set[str]) -> None:
    for other in versions(tx, name):
        if other.version_id != version.version_id and aliases & set(other.version_aliases):
            _set_aliases(tx, name, other, [a for a in other.version_aliases if a not in aliases])
    _set_aliases(tx, name, version, sorted(aliases | set(version.version_aliases)))


def _set_aliases(tx: Transaction, name: str, version: Message, aliases: list[str]) -> None:
    if list(version.version_aliases) == aliases:
        return
    version.version_aliases[:] = aliases
    version.version_update_time.CopyFrom(now())
    version.etag = new_etag()
    tx.put(_version_name(name, version.version_id), version)


def _uses(tx: Transaction, name: str, version: str | None) -> Iterator[tuple[str, str]]:
    parent = name.partition("/models/")[0]
    for endpoint_name, endpoint in tx.below(_Endpoint, f"{parent}/endpoints/"):
        for deployed in endpoint.deployed_models:
            if deployed.model == name and version in (None, deployed.model_version_id):
                yield endpoint_name, deployed.id


def _unused(tx: Transaction, name: str, version: str | None) -> None:
    what = name if version is None else f"{name}@{version}"
    used = [f"{endpoint}:{deployed}" for endpoint, deployed in _uses(tx, name, version)]
    if used or tx.any_reserved(f"{name}@" if version is None else f"{name}@{version}/"):
        raise refusals.precondition(f'The Model "{what}" is deployed or being deployed at: {", ".join(used)}.')
