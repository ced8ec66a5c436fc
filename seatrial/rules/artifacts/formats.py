"""Family 3, formats: files that are read by another library or version than they were written for.

Families of the diagnosis tell these by the function that read the file and by what it says of the file.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

OTHER_EXPORT = Rule(
    code="ST330",
    title="an exported program that another torch wrote",
    explanation=(
        "The schema of torch.export's archives has a version of its own. A torch reads only archives of its own major "
        "version of the schema; nothing converts an older or a newer one."
    ),
    fix="export the model again with the locked torch, or lock the torch that exported it",
    cloud="RuntimeError: Serialized version … does not match our current schema version …",
    sources=(
        "https://docs.pytorch.org/docs/stable/export.html",
        "https://github.com/pytorch/pytorch/blob/main/torch/_export/serde/schema.py",
    ),
    recognised="torch's code for exported programs or AOTInductor packages refuses the version of a file.",
)

OTHER_SCRIPT = Rule(
    code="ST331",
    title="a TorchScript archive that this torch does not run",
    explanation=(
        "A TorchScript archive names the operators that it calls and the version of its format. A newer format, an "
        "operator of a library that is not imported (torchvision::nms) or an operator that another torch has ends the "
        "load. Some appear only with the first prediction."
    ),
    fix=(
        "script the model again with the locked torch, or lock the torch that wrote it; for an operator of a library, "
        "lock the library and import it before torch.jit.load"
    ),
    cloud="RuntimeError: Unknown builtin op: torchvision::nms.",
    sources=(
        "https://docs.pytorch.org/docs/stable/jit.html",
        "https://github.com/pytorch/vision/issues/1002",
        "https://github.com/pytorch/pytorch/blob/main/caffe2/serialize/versions.h",
    ),
    recognised="torch.jit refuses the version of a file, or an operator or a type in its code.",
)

BARE_ARGUMENTS = Rule(
    code="ST332",
    title="a checkpoint of Lightning does not hold the arguments of the model",
    explanation=(
        "load_from_checkpoint builds the module with the hyperparameters in the file. A module that did not call "
        "save_hyperparameters(), or that ignored an argument there, must be given its arguments."
    ),
    fix="pass the arguments to load_from_checkpoint(…), or call self.save_hyperparameters() in __init__ and save again",
    cloud="TypeError: Net.__init__() missing 1 required positional argument: 'backbone'",
    sources=("https://lightning.ai/docs/pytorch/stable/common/checkpointing_basic.html",),
    recognised="A frame of load_from_checkpoint called the class, and an argument is missing or not known.",
)

NOT_ITS_FORMAT = Rule(
    code="ST333",
    title="a file is not in the format that its reader expects",
    explanation=(
        "A JSON, YAML, ONNX or table file is empty, a Git LFS pointer, an HTML page of a failed download, or in "
        "another encoding or format. Its reader only says where it stopped."
    ),
    fix="look at the first bytes of the file: run `git lfs pull` for a pointer, or write the file again",
    cloud="json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
    sources=("https://docs.python.org/3/library/json.html#json.JSONDecodeError", "https://git-lfs.com/"),
    recognised="A decoder of a format raised below a line of the project that reads a file.",
)

OTHER_OBJECT = Rule(
    code="ST334",
    title="a restored object lacks what the installed library reads",
    explanation=(
        "A pickle keeps the attributes that an object had when it was saved. The installed version of its library "
        "reads one that came later, or no longer has one that it saved. Loading may succeed, and the first use fails."
    ),
    fix="save again with the locked version of the library, or lock the version that wrote the file",
    cloud="AttributeError: 'SimpleImputer' object has no attribute '_fill_dtype'",
    sources=("https://scikit-learn.org/stable/model_persistence.html", "https://docs.python.org/3/library/pickle.html"),
    recognised="A distribution's own method reads an attribute of its own object, and the object does not have it.",
)
