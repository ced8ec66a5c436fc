"""Family 3, what a pickle holds: objects of classes that the locked versions have changed or removed.

Decided from class names and the attributes of objects; nothing is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.classes import later_attributes, span_of
from seatrial.facts.packages.requirements import marker_environment
from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.classes import Span
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

MAIN = "__main__"  # where a pickle looks for the classes that the program which wrote it defined
PICKLE_DOCS = "https://docs.python.org/3/library/pickle.html"

OTHER_PYTHON = Rule(
    code="ST310",
    title="a pickle that another Python wrote",
    explanation=(
        "A pickle records names and a protocol of the Python that wrote it. Python 3.13 pickles a path as "
        "`pathlib._local.PosixPath`, a module that no earlier Python has; modules such as `distutils` are gone since "
        "3.12; and no Python reads a protocol above 5."
    ),
    fix="write the file again with the configured Python, and save plain values (`str(path)`) instead of objects",
    cloud="ModuleNotFoundError: No module named 'pathlib._local'; 'pathlib' is not a package",
    sources=(
        "https://docs.python.org/3/library/pickle.html#data-stream-format",
        "https://docs.python.org/3/whatsnew/3.12.html#removed",
        "https://cloud.google.com/ai-platform/training/docs/troubleshooting",
    ),
    symptoms=(
        Symptom(
            r"unsupported pickle protocol: (?P<number>\d{1,3})",
            "a pickle of protocol {number} is newer than the Python that reads it",
        ),
    ),
    detected=(
        "By the protocol that the file begins with and the standard library modules that it names, against `python` in "
        "[tool.seatrial]. Whether a class within a module changed is not known."
    ),
    bad='torch.save({"weights": weights, "source": Path("data")}, file)  # by Python 3.13',
    good='torch.save({"weights": weights, "source": "data"}, file)',
)

HIGHEST_PROTOCOL = 5  # https://docs.python.org/3/library/pickle.html#data-stream-format
# Modules of the standard library that are not in every Python that serves: module → (from, before).
NOT_ALWAYS = {
    **dict.fromkeys(("asynchat", "asyncore", "distutils", "imp", "smtpd"), ("3.0", "3.12")),
    **dict.fromkeys(("aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3"), ("3.0", "3.13")),
    **dict.fromkeys(("mailcap", "nntplib", "pipes", "sndhdr", "sunau", "telnetlib", "uu", "xdrlib"), ("3.0", "3.13")),
    "pathlib._local": ("3.13", "3.14"),
}


@OTHER_PYTHON.decided_by
def _other_python(facts: Facts) -> Iterator[Finding]:
    python = Version(facts.project.python)
    for checkpoint in facts.checkpoints:
        if checkpoint.protocol > HIGHEST_PROTOCOL:
            yield OTHER_PYTHON.finding(
                f"{checkpoint.path} is a pickle of protocol {checkpoint.protocol}, which no Python reads",
                location=Location(checkpoint.path),
                cause=f"the highest protocol of Python {python} is {HIGHEST_PROTOCOL}",
                cloud=f"ValueError: unsupported pickle protocol: {checkpoint.protocol}",
            )
        for module, span in NOT_ALWAYS.items():
            names = [n for m, n in checkpoint.globals if m == module or m.startswith(f"{module}.")]
            since, until = map(Version, span)
            # setuptools has its own distutils
            if names and not since <= python < until and not (module == "distutils" and pinned(facts, "setuptools")):
                yield OTHER_PYTHON.finding(
                    f"{checkpoint.path} holds a pickled `{module}.{names[0]}`, which Python {python} does not have",
                    location=Location(checkpoint.path),
                    subject=module,
                    cause=f"the module is in Python {since} to before {until}",
                    cloud=f"ModuleNotFoundError: No module named '{module}'",
                )


OLD_TRANSFORM = Rule(
    code="ST311",
    title="a pickled transform lacks what the locked torchvision reads",
    explanation=(
        "Unpickling does not run `__init__`: the object has the attributes that it was saved with. The locked "
        "torchvision's class reads one that came later, so loading succeeds and the first image fails."
    ),
    fix="keep transforms as code in the predictor's package, not in the artifacts; or pickle them again under the lock",
    cloud="AttributeError: 'Resize' object has no attribute 'max_size'",
    sources=(
        "https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",
        "https://github.com/pytorch/vision/releases",
    ),
    symptoms=(
        Symptom(
            (
                r"AttributeError: '(?P<name>Resize|CenterCrop|Normalize|Pad|Grayscale|ColorJitter|FiveCrop|TenCrop|"
                r"LinearTransformation|ConvertImageDtype|GaussianBlur|Compose|ToTensor|Random[A-Z]\w{1,40})' "
                r"object has no attribute '(?P<lacks>\w{1,60})'"
            ),
            "a pickled {name} is of another torchvision: it has no `{lacks}`",
        ),
    ),
    detected=(
        "The attributes of each pickled object against those that its class sets and reads in the locked version, from "
        "a table of published wheels. An error if the pickled object is the transform itself; a warning if it "
        "is in something else that may never use it. Transforms of torchvision before 0.5 are taken for 0.5's."
    ),
    bad="pickle.dump(transform, file)  # torchvision 0.9, served with 0.23",
    good="from predictor.transforms import transform  # code, run under the locked torchvision",
)


@OLD_TRANSFORM.decided_by
def _old_transform(facts: Facts) -> Iterator[Finding]:
    yield from (finding for finding in _old_objects(facts) if finding.code == OLD_TRANSFORM.code)


OLD_MODULE = Rule(
    code="ST312",
    title="a pickled module lacks what the locked torch reads",
    explanation=(
        "A whole pickled model keeps the attributes that its layers had when it was saved; the locked version's code "
        "reads newer ones (`GELU.approximate` since 1.12, `MultiheadAttention.batch_first` since 1.9). Loading "
        "succeeds and the first prediction fails."
    ),
    fix="save the state_dict instead of the model, and build the model in the predictor's package",
    yields_to=(OLD_TRANSFORM,),
    cloud="AttributeError: 'GELU' object has no attribute 'approximate'",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/serialization.html",
        "https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",
    ),
    symptoms=(
        Symptom(
            (
                r"AttributeError: '(?P<name>\w{1,80})' object has no attribute '(?P<lacks>approximate|batch_first|"
                r"recompute_scale_factor|norm_first|activation_relu_or_gelu|_qkv_same_embed_dim|padding_mode|"
                r"_reversed_padding_repeated_twice|_non_persistent_buffers_set|_load_state_dict_post_hooks|"
                r"_is_full_backward_hook|_backward_pre_hooks|_forward_hooks_with_kwargs)'"
            ),
            "a pickled {name} is of another torch: it has no `{lacks}`",
        ),
    ),
    detected=(
        "The attributes of each pickled layer of torch.nn, or of a model of torchvision, against those that its class "
        "sets and reads in the locked version, from a table of published wheels. An error if the file is the model; "
        "a warning if the layer is in something else that may never run it."
    ),
    bad="torch.save(model, file)  # torch 1.10, served with 2.8",
    good="torch.save(model.state_dict(), file)",
)


@OLD_MODULE.decided_by
def _old_module(facts: Facts) -> Iterator[Finding]:
    yield from (finding for finding in _old_objects(facts) if finding.code == OLD_MODULE.code)


MOVED_CLASS = Rule(
    code="ST313",
    title="a pickled class that the locked torch or torchvision does not have",
    explanation=(
        "A pickle names the module of each class. Between versions torchvision moved and removed modules and classes "
        "(`torchvision.models.utils` in 0.11, `transforms.Scale` in 0.12), and a class that is new in the version "
        "that wrote the file is not in an older one."
    ),
    fix="save the state_dict or plain values with the locked versions, or lock the version that wrote the file",
    cloud="ModuleNotFoundError: No module named 'torchvision.models.utils'",
    sources=("https://github.com/pytorch/vision/releases", f"{PICKLE_DOCS}#what-can-be-pickled-and-unpickled"),
    symptoms=(
        Symptom(
            r"Can't get attribute '(?P<name>[\w.]{1,120})' on <module '(?P<module>torch(?:vision)?\.[\w.]{1,120})'",
            "a pickle needs `{name}`, which `{module}` does not have in this version",
        ),
    ),
    detected=(
        "The class names in the file against a table of the classes in published wheels of torchvision (0.5 on) and of "
        "torch.nn.modules (torch 1.7 on). Other modules of torch are not in the table."
    ),
    bad="torchvision==0.23.0  # requirements.in, and the file names torchvision.models.utils",
    good="torch.save(model.state_dict(), file)  # names no class of torchvision",
)


@MOVED_CLASS.decided_by
def _moved_class(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        for module, name in checkpoint.globals:
            distribution = module.partition(".")[0]
            version = pinned(facts, distribution)
            span = missing_in(module, name, facts)
            if span and version:
                newer = span.since and Version(span.since) > version
                yield MOVED_CLASS.finding(
                    f"{checkpoint.path} holds a pickled `{module}.{name}`, "
                    f"which {distribution} {version} does not have",
                    location=Location(checkpoint.path),
                    subject=f"{module}.{name}",
                    cause=f"it is there {f'since {span.since}' if newer else f'until {span.until}'}",
                    cloud=MOVED_CLASS.cloud if not name else f"No module named '{module}', or no '{name}' in it",
                )


def missing_in(module: str, name: str, facts: Facts) -> Span | None:
    """Return the versions that have a class of torch or torchvision which the locked version does not have."""
    distribution = module.partition(".")[0]
    if distribution not in ("torch", "torchvision") or (version := pinned(facts, distribution)) is None:
        return None
    span = span_of(distribution, module, name, version)
    return span if span and not span.has(version) else None


NUMPY_2 = Rule(
    code="ST315",
    title="objects of numpy 2 in a pickle, and an older numpy in the lock",
    explanation=(
        "numpy 2 pickles arrays and scalars under `numpy._core`. numpy 1.26.1 and later 1.x have a stub of that "
        "module; earlier ones have none, and loading fails."
    ),
    fix="pin numpy 1.26.1 or later in requirements.in and run `seatrial lock`; or save `array.tolist()`",
    cloud="ModuleNotFoundError: No module named 'numpy._core'",
    sources=("https://numpy.org/doc/stable/numpy_2_0_migration_guide.html",),
    symptoms=(
        Symptom(
            (
                r"(?m)^(?>[^\n]*?(?:find_class|\bloads?\(|npickler))[^\n]*+\n(?:[ ^~]++\n)?"
                r"ModuleNotFoundError: No module named 'numpy\._core(?P<rest>[\w.]{0,80})'"
            ),
            "a pickle of numpy 2 needs `numpy._core{rest}`, which the installed numpy does not have",
        ),
    ),
    detected="A name of `numpy._core` in the file, and the version of numpy that the lock pins.",
    bad='torch.save({"mean": numpy.float64(0.13)}, file)  # numpy 2, served with 1.24',
    good='torch.save({"mean": 0.13}, file)',
)

NUMPY_WITH_CORE = Version("1.26.1")  # the first 1.x with a stub of numpy._core


@NUMPY_2.decided_by
def _numpy_2(facts: Facts) -> Iterator[Finding]:
    version = pinned(facts, "numpy")
    if version is None or version >= NUMPY_WITH_CORE:
        return
    for checkpoint in facts.checkpoints:
        names = [f"{m}.{n}" for m, n in checkpoint.globals if m == "numpy._core" or m.startswith("numpy._core.")]
        if names:
            yield NUMPY_2.finding(
                f"{checkpoint.path} holds a pickled `{names[0]}`, which numpy {version} does not have",
                location=Location(checkpoint.path),
                subject="numpy",
                cause=f"it was written with numpy 2; the first older numpy that reads it is {NUMPY_WITH_CORE}",
            )


WINDOWS_PATH = Rule(
    code="ST316",
    title="a pickled Windows path",
    explanation=(
        "A `pathlib.Path` that is pickled on Windows is a WindowsPath, which cannot be made on Linux. Exported "
        "learners and argparse namespaces carry them unnoticed."
    ),
    fix="save `str(path)`, or remove the path from what is saved, and write the file again",
    cloud="NotImplementedError: cannot instantiate 'WindowsPath' on your system",
    sources=("https://docs.python.org/3/library/pathlib.html#concrete-paths",),
    symptoms=(
        Symptom(
            r"cannot instantiate '(?P<name>WindowsPath|PureWindowsPath)' on your system",
            "a pickle holds a {name}",
        ),
    ),
    detected="The class name `WindowsPath` in the file.",
    bad='torch.save({"weights": weights, "data": Path("C:/data")}, file)',
    good='torch.save({"weights": weights, "data": "C:/data"}, file)',
)


@WINDOWS_PATH.decided_by
def _windows_path(facts: Facts) -> Iterator[Finding]:
    for checkpoint in facts.checkpoints:
        if any(m in ("pathlib", "pathlib._local") and n == "WindowsPath" for m, n in checkpoint.globals):
            yield WINDOWS_PATH.finding(
                f"{checkpoint.path} holds a pickled WindowsPath, and the server runs Linux",
                location=Location(checkpoint.path),
            )


def pinned(facts: Facts, name: str) -> Version | None:
    """Return the version of a distribution that the lock pins."""
    entry = facts.lock.pins(marker_environment(facts.project.python)).get(name) if facts.lock else None
    return entry.version if entry else None


def _old_objects(facts: Facts) -> Iterator[Finding]:
    versions = {name: pinned(facts, name) for name in ("torch", "torchvision")}
    for checkpoint in facts.checkpoints:
        lacking: dict[str, dict[str, str]] = {}
        for name, attributes in checkpoint.states:
            distribution = name.partition(".")[0]
            if version := versions.get(distribution):
                needed = later_attributes(distribution, name, version)
                missing = {a: since for a, since in needed.items() if a not in attributes}
                if missing:
                    lacking.setdefault(name, {}).update(missing)
        for name, missing in lacking.items():
            distribution, _, short = name.partition(".")[0], None, name.rpartition(".")[2]
            attribute, since = next(iter(missing.items()))
            rule = OLD_TRANSFORM if name.startswith("torchvision.transforms.") else OLD_MODULE
            whole = checkpoint.top.startswith(("torch.", "torchvision."))
            yield rule.finding(
                f"{checkpoint.path} holds a pickled `{short}` without `{attribute}`, "
                f"which {distribution} {versions[distribution]} reads",
                severity=Severity.ERROR if whole else Severity.WARNING,
                location=Location(checkpoint.path),
                subject=name,
                cause=f"it was made by {distribution} before {since}"
                + ("" if whole else "; whether the predictor uses it cannot be seen"),
                cloud=f"AttributeError: '{short}' object has no attribute '{attribute}'",
                evidence=tuple(f"{name}.{a}: since {distribution} {s}" for a, s in missing.items()),
            )
