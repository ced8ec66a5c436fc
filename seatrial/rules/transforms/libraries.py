"""Family 4, names of other libraries: what the locked numpy, torch, scikit-image and SciPy do not have.

A name counts only if it resolves to the library and the library's locked version is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.findings import Severity
from seatrial.rules.lock.versions import locked
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding, Location

GONE_NAME = Rule(
    code="ST421",
    title="a name of numpy, torch, scikit-image or SciPy that the locked version does not have",
    explanation=(
        "numpy 1.24 removed np.float, np.int and similar names, numpy 2 np.float_, np.Inf and np.NaN, torch 2.0 the "
        "private torch._six, scikit-image 0.18 compare_ssim, and SciPy 1.3 imread. Research code still uses "
        "them; an attribute fails when its line runs, which may be on the first request."
    ),
    fix="write the name that replaced it, or lock the version that training used",
    cloud="AttributeError: module 'numpy' has no attribute 'float'.",
    sources=(
        "https://numpy.org/devdocs/release/1.24.0-notes.html",
        "https://numpy.org/devdocs/numpy_2_0_migration_guide.html",
        "https://github.com/microsoft/DeepSpeed/issues/2845",
    ),
    detected=(
        "One of them is imported, called or read in code that serving reaches, and the lock has a version without it. "
        "There is no finding if a try, hasattr or a comparison of versions guards it. An attribute in a function "
        "other than the predictor's may never be reached, so it is a warning."
    ),
    bad="scores = output.astype(np.float)",
    good="scores = output.astype(float)",
)

# numpy/__init__.py of 1.24: __former_attrs__; numpy 2 has np.bool and np.long again.
_ALIASES = {"int": "int", "float": "float", "complex": "complex", "object": "object", "str": "str"}
_NUMPY_2 = {  # numpy/_expired_attrs_2_0.py of 2.4
    "float_": "float64", "complex_": "complex128", "string_": "bytes_", "unicode_": "str_", "Inf": "inf",
    "Infinity": "inf", "infty": "inf", "PINF": "inf", "NINF": "-np.inf", "NaN": "nan", "mat": "asmatrix",
    "asfarray": "asarray", "round_": "round", "alltrue": "all", "sometrue": "any",
}  # fmt: skip
_GONE: dict[str, tuple[str, str, str, str]] = {  # name → distribution, first version without it, the next with it, fix
    **{f"numpy.{old}": ("numpy", "1.24", "", f"write {new}") for old, new in _ALIASES.items()},
    "numpy.bool": ("numpy", "1.24", "2.0", "write bool"),
    **{f"numpy.{old}": ("numpy", "2.0", "", f"write np.{new}".replace("np.-", "-")) for old, new in _NUMPY_2.items()},
    "torch._six": ("torch", "2.0", "", "import inf from math, and use str and collections.abc"),
    "skimage.measure.compare_ssim": ("scikit-image", "0.18", "", "import structural_similarity from skimage.metrics"),
    "skimage.measure.compare_psnr": ("scikit-image", "0.18", "", "import peak_signal_noise_ratio from skimage.metrics"),
    "skimage.measure.compare_mse": ("scikit-image", "0.18", "", "import mean_squared_error from skimage.metrics"),
    **{
        f"scipy.misc.{name}": ("scipy", "1.3", "", "read, resize and write images with Pillow")
        for name in ("imread", "imresize", "imsave")
    },
}


def became(name: str) -> tuple[str, str] | None:
    """Return what to write for a name that a library removed, and the first version without it; None if unknown."""
    row = _GONE.get(name)
    return (row[3], row[1]) if row else None


@GONE_NAME.decided_by
def _gone_name(facts: Facts) -> Iterator[Finding]:
    versions = {name: locked(facts, name) for name in {row[0] for row in _GONE.values()}}
    for name, location, sure in _uses(facts):
        distribution, since, until, fix = _GONE[name]
        version = versions[distribution]
        if version is None or version < Version(since) or (until and version >= Version(until)):
            continue
        yield GONE_NAME.finding(
            f"{distribution} {version} has no `{name}`",
            severity=Severity.ERROR if sure else Severity.WARNING,
            location=location,
            cause="" if sure else "the check cannot see whether serving reaches it",
            cloud="ModuleNotFoundError: No module named 'torch._six'"
            if name == "torch._six"
            else f"AttributeError: module '{name.rpartition('.')[0]}' has no attribute '{name.rpartition('.')[2]}'",
            fix=fix,
        )


def _uses(facts: Facts) -> Iterator[tuple[str, Location, bool]]:
    """Yield each of these names that serving uses, its location, and whether serving certainly reaches it."""
    sources = facts.sources
    patched = {name for module in sources.serving_modules() for name in module.uses.patched}
    imported_names: set[str] = set()
    for _, imported in sources.imports():
        taken = {f"{imported.module}.{name}" for name in imported.names}
        imported_names |= taken
        for name in sorted(_GONE.keys() & {imported.module, *taken}):
            if not imported.optional:
                yield name, imported.location, not (imported.guarded or imported.function)
    gone = _GONE.keys() - imported_names - patched
    for _, use in sources.named(gone.__contains__):
        if not use.context.tries:
            served = use.context.function.partition(".")[0] in ("", facts.project.predictor_class)
            yield use.name, use.location, served and not use.context.guards
