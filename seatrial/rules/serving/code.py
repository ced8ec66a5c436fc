"""Family 5, the predictor's own code: what Python and torch refuse in it, and what only training had.

Families of the diagnosis tell these by the exception, its frames and whose they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.python.calls import Context
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

NO_INIT = Rule(
    code="ST580",
    title="super().__init__() is missing, or comes too late",
    explanation=(
        "nn.Module keeps its layers, parameters and hooks in dictionaries that Module.__init__ makes. A class that "
        "does not call it, or assigns a layer before it, has none of them. Transforms of torchvision are modules too."
    ),
    fix="call super().__init__() in the first line of the class's __init__",
    cloud="AttributeError: cannot assign module before Module.__init__() call",
    sources=(
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html",
        "https://github.com/pytorch/vision/issues/8515",
    ),
    recognised="torch.nn.Module misses what its own __init__ makes, in an object that no pickle restored.",
    detected=(
        "A class that serving can make, whose base is a class of torch.nn or a transform of torchvision, and whose own "
        "__init__ mentions no other __init__. Whether a call comes too late is left to the trial."
    ),
    bad="class Gamma(nn.Module):\n    def __init__(self, g):\n        self.gamma = g",
    good="class Gamma(nn.Module):\n    def __init__(self, g):\n        super().__init__()\n        self.gamma = g",
)

# Where every class is a module of torch, except these, with the first of torchvision's two kinds of transforms.
_OF_MODULES = ("torch.nn.", "torchvision.transforms.")
_NO_MODULES = (
    "Parameter",
    "Buffer",
    "Compose",
    "Lambda",
    "ToTensor",
    "ToPILImage",
    "PILToTensor",
    "RandomChoice",
    "RandomOrder",
)


@NO_INIT.decided_by
def _no_init(facts: Facts) -> Iterator[Finding]:
    for module in facts.sources.serving_modules():
        for name in module.uses.classes:
            init = module.uses.functions.get(f"{name}.__init__")
            if init is None or "__init__" in init.mentions:
                continue
            served = facts.sources.serves(module, Context(f"{name}.__init__"))
            if served and (base := _base_of_torch(facts, f"{module.name}.{name}")):
                yield NO_INIT.finding(
                    f"`{name}` is a {base}, and its __init__ never calls super().__init__()",
                    location=init.location,
                    subject=name,
                )


def _base_of_torch(facts: Facts, name: str, steps: int = 8) -> str:
    """Return the class of torch or torchvision that a class derives from through the project's; "" if from none."""
    followed = facts.sources.follow(name)
    module, _, own = followed.rpartition(".")
    if followed.startswith(_OF_MODULES):
        return followed if own[:1].isupper() and own not in _NO_MODULES else ""
    if not steps or module not in facts.sources.modules:
        return ""
    bases = facts.sources.modules[module].uses.classes.get(own, ())
    return next((base for each in bases if (base := _base_of_torch(facts, each, steps - 1))), "")


CIRCULAR = Rule(
    code="ST581",
    title="modules of the project import each other",
    explanation=(
        "While a module is being imported it has only the names above the line that imports the next one. Two modules "
        "that import each other find each other unfinished, depending on which is imported first."
    ),
    fix="move what both need into a third module, or import inside the function that needs it",
    cloud="ImportError: cannot import name 'X' from partially initialized module 'Y' (most likely due to a circular "
    "import)",
    sources=(
        "https://docs.python.org/3/faq/programming.html#what-are-the-best-practices-for-using-import-in-a-module",
    ),
    recognised="Python calls the module partially initialized, and its file is the project's.",
)

NO_VARIABLE = Rule(
    code="ST582",
    title="an environment variable that serving does not set",
    explanation=(
        "The training environment, a shell or a .env file set the variable. A container of Vertex AI has the AIP_* "
        "variables, and those that the image or the model's container specification names, and nothing else."
    ),
    fix="give it a default with os.environ.get(…), or set it in the image (ENV) or in the model's container_spec.env",
    cloud="KeyError: 'MODEL_NAME'",
    sources=(
        "https://docs.cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#variables",
        "https://docs.python.org/3/library/os.html#os.environ",
    ),
    recognised="os.environ raised a KeyError, or a class of settings misses a field that it reads from a variable.",
)

NO_FILE = Rule(
    code="ST584",
    title="a file that is not where the code looks for it",
    explanation=(
        "The server starts in another folder, has only what ships, and has no files of the training machine. A path "
        "relative to the current folder, an absolute one, a file beside a module that is not packaged, or an address "
        "such as gs:// given to open() finds nothing."
    ),
    fix="put the file into the artifacts, and open it below the path that load() gets",
    cloud="FileNotFoundError: [Errno 2] No such file or directory: …",
    sources=(
        "https://docs.cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements",
        "https://setuptools.pypa.io/en/latest/userguide/datafiles.html",
    ),
    recognised="A file cannot be opened; its path and the project's files tell why.",
)

NOTHING = Rule(
    code="ST586",
    title="a value is None, or of another kind than the code takes it for",
    explanation=(
        "A function returned nothing, load() did not set what predict() uses, a model returned a dictionary or a "
        "tuple in place of a tensor, or a file was not found by a library that returns None for it."
    ),
    fix="look at where the value of the evidence's line comes from",
    cloud="AttributeError: 'NoneType' object has no attribute …",
    sources=("https://docs.python.org/3/library/exceptions.html#AttributeError",),
    recognised="Python names the kind of the value and what was wanted of it; the line shows the expression.",
)

OTHER_ARGUMENTS = Rule(
    code="ST587",
    title="a function is called with arguments that it does not take",
    explanation=(
        "A function of the project was changed without its callers, a configuration holds an argument that the class "
        "does not have, or a distribution of another version has other arguments."
    ),
    fix="call it with the arguments that it has in the locked version",
    cloud="TypeError: Net.__init__() got an unexpected keyword argument …",
    sources=("https://docs.python.org/3/library/exceptions.html#TypeError",),
    recognised="Python names the function and the argument; the frames tell who called it.",
)

DEVICE_COUNT = Rule(
    code="ST588",
    title="a device that this machine does not have",
    explanation=(
        "The code or the checkpoint names a GPU by a number, such as cuda:1, that the serving machine does not have."
    ),
    fix='choose the device once, `"cuda" if torch.cuda.is_available() else "cpu"`, and pass it as map_location',
    cloud="RuntimeError: CUDA error: invalid device ordinal",
    sources=("https://docs.pytorch.org/docs/stable/generated/torch.load.html",),
    recognised="CUDA refuses the number of a device.",
)

OWN_BUG = Rule(
    code="ST589",
    title="Python or a library refuses the project's own code",
    explanation=(
        "The failure is in the project's code, not in its environment: it fails with the same versions on any "
        "machine, at least for the request or the configuration that was given."
    ),
    fix="correct the line that the evidence names",
    sources=("https://docs.python.org/3/library/exceptions.html",),
    recognised="The exception is one that only the code's own logic or configuration causes.",
)
