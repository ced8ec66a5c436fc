"""The models of a repository: which builder of torchvision or timm, or which class of its own, is trained or served."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.facts.architectures import known
from seatrial.facts.repository.branches import is_passed_over
from seatrial.facts.repository.builders import builder_of, downloads, is_entry, literals_given, published, target_of
from seatrial.facts.repository.heads import CLASSES, Change, changes_of
from seatrial.facts.repository.holders import passed
from seatrial.facts.repository.hydra import Instantiated
from seatrial.facts.repository.rewriting import Text, definition, rewrite
from seatrial.facts.repository.script import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Literal, Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

_NO_MODEL = re.compile(
    r"(?i:loss|criterion|entropy|dataset|discriminator|metric|accuracy|attention|block|layer)|EMA|Ema"
)
_SERVES = re.compile(r"infer|pred|serv|app|demo|deploy|handler|main|api|classif", re.IGNORECASE)
_COUNTS_CLASSES = re.compile(r"class|label|categor|out_features|n_out|output", re.IGNORECASE)
_LOADS_OLD_WEIGHTS = ("pretrained", "weights")  # arguments that download; serving loads its own
_CONFIGURED = 6  # the rank of a model that the configuration of training names
_NOWHERE = "_"  # what is assigned to it is thrown away: the call only tries whether it works
_PASSED_OVER = 8  # what the rank of a model loses that is built in a branch that is not taken
_ONLY_NAMED = -10  # what the rank of a builder loses that no call builds


@dataclass(frozen=True)
class Model:
    """A model in the code.

    Attributes:
        library: torchvision, timm, or "" for a class of the repository.
        name: the builder's or the class's.
        location: where it is built.
        script: the path of that file.
        prefix: what every saved name has before the model's own, because a class around it holds it: `model.`.
        changes: what replaces parts of it, in order; another number of classes alone is none.
        written: for a class of the repository, its call.
        weight: for that, the weight whose rows are the classes, if the call needs their number; else "".
        rank: what is surer to be served is more.
        ends: what it answers: logits, probabilities, or log-probabilities.
        given: further arguments of the builder that are literals, such as in_chans.
        downloads: whether the builder loads torchvision's or timm's own weights, and nothing is changed.
        published: which of torchvision's own weights the builder begins with: `IMAGENET1K_V1`; "" if that is unknown.
    """

    library: str
    name: str
    location: Location
    prefix: str = ""
    changes: tuple[Change, ...] = ()
    written: Text = field(default_factory=Text)
    rank: int = 0
    ends: str = "logits"
    given: tuple[tuple[str, Any], ...] = ()
    downloads: bool = False
    published: str = ""


def models(scripts: Scripts) -> tuple[Model, ...]:
    """Return the models of a repository, the surest first, each once."""
    networks = _networks(scripts)
    found = [model for script in scripts.all for model in _built(script, scripts, networks)]
    found += [model for script in scripts.all for model in _own(script, scripts, networks)]
    defaults = {str(literal.value) for literal in _defaults(scripts)}
    found += [model for script in scripts.all for model in _named(script, defaults)]
    surest: dict[tuple[str, str], Model] = {}
    for model in sorted(found, key=lambda m: -m.rank):
        surest.setdefault((model.library, model.name), model)
    return tuple(surest.values())


def _networks(scripts: Scripts) -> dict[str, list[Script]]:
    """Return the classes that are models by their bases, also bases of the repository: name → files."""
    found: dict[str, list[Script]] = {}
    for _ in range(3):  # a class, its base, and the base of that
        for script in scripts.all:
            for name, node in script.definitions.items():
                if isinstance(node, ast.ClassDef) and script not in found.get(name, []):
                    bases = [script.name(base) for base in node.bases]
                    if any(_is_network(base) or base.rpartition(".")[2] in found for base in bases):
                        found.setdefault(name, []).append(script)
    return found


def _is_network(base: str) -> bool:
    is_module = base.startswith(("torch.nn.", "timm.models."))
    return is_module or base.rpartition(".")[2] in ("LightningModule", "PyTorchModelHubMixin")


def _built(script: Script, scripts: Scripts, networks: dict[str, list[Script]]) -> Iterator[Model]:
    """Yield what calls of builders make; in a class that does more than hold it, the class is the model instead."""
    passed_on = passed(script, networks)
    for call in script.calls:
        library, name = builder_of(call, script, scripts)
        if not name or is_entry(call, script) or target_of(call, script) == _NOWHERE:
            continue
        around = next((scope for scope in script.scopes(call) if isinstance(scope, ast.ClassDef)), None)
        prefix = passed_on[call][1] if call in passed_on else ""
        if around is not None and script in networks.get(around.name, ()):
            prefix = _held(around, call, script)
            if not prefix:
                continue
        changes = tuple(changes_of(call, script, scripts, library, name))
        own = not changes and downloads(call, script, scripts)
        given = literals_given(call, script, scripts)
        where = script.location(call)
        ends = next((change.ends for change in changes if change.ends != "logits"), "logits")
        rank = _rank(script) - _PASSED_OVER * is_passed_over(call, script, scripts)
        yield Model(
            library,
            name,
            where,
            prefix,
            changes,
            rank=rank,
            ends=ends,
            given=given,
            downloads=own,
            published=published(call, script, scripts),
        )


def _held(around: ast.ClassDef, call: ast.Call, script: Script) -> str:
    """Return `net.` if a class only holds the model as `self.net` and calls it in forward; "" otherwise."""
    forward = next((node for node in around.body if isinstance(node, ast.FunctionDef) and node.name == "forward"), None)
    body = [node for node in forward.body if not isinstance(node, ast.Expr)] if forward else []
    target = target_of(call, script)
    match body:
        case [ast.Return(ast.Call(ast.Attribute(ast.Name("self"), name), [ast.Name()]))]:
            return f"{name}." if target in (f"self.{name}", name) or script.bound(f"self.{name}", call) else ""
        case [ast.Assign([ast.Name(a)], ast.Call(ast.Attribute(ast.Name("self"), name), [_])), ast.Return(ast.Name(b))]:
            return f"{name}." if a == b and target in (f"self.{name}", name) else ""
    return ""


def _own(script: Script, scripts: Scripts, networks: dict[str, list[Script]]) -> Iterator[Model]:
    """Yield the classes of the repository that are built outside of other models."""
    passed_on = passed(script, networks)
    only_pass_on = {outer for outer, _ in passed_on.values()}
    for call in script.calls:
        if call in only_pass_on or target_of(call, script) == _NOWHERE:
            continue
        func, place = scripts.called(call.func, script)
        name = place.name(func).rpartition(".")[2]
        homes = networks.get(name, [])
        if not homes or _NO_MODEL.search(name) or (call not in passed_on and _is_layer(call, script, networks)):
            continue
        around = [scope for scope in script.scopes(call) if isinstance(scope, ast.ClassDef)]
        if any(script in networks.get(scope.name, ()) or _computes(scope) for scope in around):
            continue
        home = script if script in homes else homes[0]
        if _only_holds(home, name, scripts):
            continue
        written = definition(name, home, scripts)
        arguments = _arguments(call, home, name, script, scripts)
        written.with_needs_of(arguments)
        written.text = f"{written.text}({arguments.text})"
        prefix = passed_on[call][1] if call in passed_on else ""
        rank = _rank(script) - _PASSED_OVER * is_passed_over(call, script, scripts)
        ends = _ends(home, name)
        yield Model("", name, script.location(call), prefix, written=written, rank=rank, ends=ends)


def _computes(node: ast.ClassDef) -> bool:
    """Return whether a class has a forward, as a model has, also one whose base another library has."""
    return any(isinstance(part, ast.FunctionDef) and part.name == "forward" for part in node.body)


def _is_layer(call: ast.Call, script: Script, networks: dict[str, list[Script]]) -> bool:
    """Return whether what a call builds is a part of another model: an argument of a layer's call."""
    node = script.parents.get(call)
    while isinstance(node, ast.expr):
        if isinstance(node, ast.Call):
            name = script.name(node.func)
            is_wrapper = name.rpartition(".")[2] in ("DataParallel", "DistributedDataParallel")
            if not is_wrapper and (name.startswith("torch.nn.") or name.rpartition(".")[2] in networks):
                return True
        node = script.parents.get(node)
    return False


def _only_holds(home: Script, name: str, scripts: Scripts) -> bool:
    """Return whether a class only holds a builder's model, which then is the model."""
    node = home.definitions[name]
    inside = [c for c in home.calls if node in home.scopes(c) and builder_of(c, home, scripts)[1]]
    return isinstance(node, ast.ClassDef) and any(_held(node, call, home) for call in inside)


def _arguments(call: ast.Call, home: Script, name: str, script: Script, scripts: Scripts) -> Text:
    """Return the arguments of a class's call: its own, or `classes` for their number, and no download of weights."""
    node = home.definitions[name]
    init = next((n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    named = list(parameters(init))[1:] if init else []
    given = [*zip(named, call.args, strict=False), *((k.arg or "", k.value) for k in call.keywords)]
    whole, parts = Text(), []
    for parameter, value in given:
        if parameter in _LOADS_OLD_WEIGHTS:
            parts.append(f"{parameter}={'False' if parameter == 'pretrained' else 'None'}")
            continue
        written = rewrite(value, script, scripts)
        is_length = isinstance(value, ast.Call) and script.name(value.func) == "len"
        if (is_length or not written.is_whole) and _COUNTS_CLASSES.search(parameter):
            written = Text(CLASSES)
        whole.with_needs_of(written)
        parts.append(f"{parameter}={written.text}")
    missing = {n: d for n, d in (parameters(init) if init else {}).items() if n in _LOADS_OLD_WEIGHTS and d is not None}
    told = {parameter for parameter, _ in given}
    parts += [f"{n}={'False' if n == 'pretrained' else 'None'}" for n in missing if n not in told]
    whole.text = ", ".join(parts)
    return whole


def _ends(home: Script, name: str) -> str:
    """Return what a class's forward answers, by what it calls: probabilities after softmax or sigmoid."""
    node = home.definitions[name]
    forward = next((n for n in ast.walk(node) if isinstance(n, ast.FunctionDef) and n.name == "forward"), None)
    returned = [n.value for n in ast.walk(forward) if isinstance(n, ast.Return) and n.value] if forward else []
    text = " ".join(ast.unparse(value) for value in returned)
    if re.search(r"log_softmax|LogSoftmax", text):
        return "log-probabilities"
    return "probabilities" if re.search(r"softmax|sigmoid", text) else "logits"


def _named(script: Script, chosen: set[str]) -> Iterator[Model]:
    """Yield the builders that are only named, as in a table to choose from; a default of an option is surer."""
    for node in script.nodes:
        is_called = isinstance(script.parents.get(node), ast.Call | ast.Attribute) and not _is_value(node, script)
        if isinstance(node, ast.Attribute | ast.Name) and not is_called:
            dotted = script.name(node)
            name = dotted.rpartition(".")[2]
            if dotted.startswith("torchvision.models.") and known(name, "torchvision"):
                rank = _rank(script) + (4 if name in chosen else _ONLY_NAMED)
                yield Model("torchvision", name, script.location(node), rank=rank)


def _is_value(node: ast.AST, script: Script) -> bool:
    """Return whether a node is an argument of a call, and not what is called."""
    around = script.parents.get(node)
    return isinstance(around, ast.Call) and around.func is not node


def _defaults(scripts: Scripts) -> Iterator[Literal]:
    for script in scripts.all:
        for call in script.calls:
            for keyword in call.keywords:
                literal = scripts.literal(keyword.value, script) if keyword.arg == "default" else None
                if literal:
                    yield literal


def _rank(script: Script) -> int:
    """Return how likely a file's model serves: by the file's name, and by whether it loads or saves weights."""
    if isinstance(script, Instantiated):
        return _CONFIGURED
    called = {script.name(call.func) for call in script.calls}
    methods = {call.func.attr for call in script.calls if isinstance(call.func, ast.Attribute)}
    name = script.path.rpartition("/")[2]
    return (
        2 * bool(_SERVES.search(name))
        + 2 * ("load_state_dict" in methods or "torch.load" in called)
        + ("torch.save" in called)
        - 2 * script.path.endswith(".ipynb")
    )
