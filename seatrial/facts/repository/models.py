"""The models of a repository: which builder of torchvision or timm, or which class of its own, is trained or served."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.facts.architectures import known
from seatrial.facts.repository.rewriting import Text, definition, filled, rewrite
from seatrial.facts.repository.script import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Literal, Script
    from seatrial.facts.repository.scripts import Scripts
    from seatrial.findings import Location

_NO_MODEL = re.compile(r"(?i:loss|criterion|entropy|dataset|discriminator|metric|attention|block|layer)|EMA|Ema")
_SERVES = re.compile(r"infer|pred|serv|app|demo|deploy|handler|main|api|classif", re.IGNORECASE)
_COUNTS_CLASSES = re.compile(r"class|label|categor|out_features|n_out|output", re.IGNORECASE)
_LOADS_OLD_WEIGHTS = ("pretrained", "weights")  # arguments that download; serving loads its own
# Arguments of builders that the written call sets itself, or that matter only to training or downloading.
_SET_ANEW = {
    "pretrained", "weights", "num_classes", "progress", "model_name", "name", "checkpoint_path", "cache_dir",
    "drop_rate", "drop_path_rate", "pretrained_cfg", "init_weights", "force_reload", "source",
}  # fmt: skip
_CREATE = ("timm.create_model", "timm.models.create_model", "timm.models.factory.create_model")
_ONLY_NAMED = -10  # what the rank of a builder loses that no call builds
_VARIABLE = "model"  # what the model is called in the written module
CLASSES = "classes"  # what the number of classes is called there


@dataclass(frozen=True)
class Change:
    """What replaces a part of a builder's model: its head, its pooling, its first convolution.

    Attributes:
        part: where it is: `fc`, or `classifier[6]`.
        written: the expression, in which the model is `model`, and the number of classes `classes` if it is unknown.
        weight: the name of the weight whose rows are the classes; "" if that cannot be told.
    """

    part: str
    written: Text
    weight: str


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
    for call in script.calls:
        library, name = _builder(call, script, scripts)
        if not name or _is_entry(call, script):
            continue
        around = next((scope for scope in script.scopes(call) if isinstance(scope, ast.ClassDef)), None)
        prefix = ""
        if around is not None and script in networks.get(around.name, ()):
            prefix = _held(around, call, script)
            if not prefix:
                continue
        changes = tuple(_changes(call, script, scripts, library, name))
        own = not changes and _downloads(call, script, scripts)
        given = _given(call, script, scripts)
        where = script.location(call)
        yield Model(library, name, where, prefix, changes, rank=_rank(script), given=given, downloads=own)


def _builder(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, str]:
    """Return the library and the name of the builder that a call runs; ("", "") for any other call."""
    func, home = scripts.called(call.func, script)
    by_name = _by_name(call, script, scripts)
    if by_name:
        library, node, where = by_name
        literal = scripts.literal(node, where)
        name = str(literal.value).partition(".")[0] if literal else ""
        return (library, name) if known(name, library) else ("", "")
    called = home.name(func)
    name = called.rpartition(".")[2]
    is_builder = called.startswith("torchvision.models.") and known(name, "torchvision")
    return ("torchvision", name) if is_builder else ("", "")


def _is_entry(call: ast.Call, script: Script) -> bool:
    """Return whether a call is what a lambda of a dict does, which is called only if its key is chosen."""
    around = script.parents.get(call)
    return isinstance(around, ast.Lambda) and isinstance(script.parents.get(around), ast.Dict)


def _by_name(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ast.expr | None, Script] | None:
    """Return the library of a builder that a call runs by its name, the name, and its file; None for any other call."""
    func, home = scripts.called(call.func, script)
    called = home.name(func)
    if called in _CREATE:
        return "timm", _argument(call, 0, "model_name"), script
    if called == "torchvision.models.get_model":
        return "torchvision", _argument(call, 0, "name"), script
    if called == "torch.hub.load":
        return "torchvision", _argument(call, 1, "model"), script
    if isinstance(func, ast.Call) and home.name(func.func) == "getattr" and len(func.args) > 1:
        return ("torchvision", func.args[1], home) if home.name(func.args[0]) == "torchvision.models" else None
    if isinstance(func, ast.Subscript):
        table = func.value
        if isinstance(table, ast.Call) and home.name(table.func) == "vars" and table.args:
            table = ast.copy_location(ast.Attribute(table.args[0], "__dict__", ast.Load()), table)
        if home.name(table) == "torchvision.models.__dict__":
            return "torchvision", func.slice, home
    return None


def _given(call: ast.Call, script: Script, scripts: Scripts) -> tuple[tuple[str, Any], ...]:
    """Return the further arguments of a builder by name, as far as they are literals."""
    named = [(k.arg, scripts.literal(k.value, script)) for k in call.keywords if k.arg and k.arg not in _SET_ANEW]
    return tuple((name, literal.value) for name, literal in named if literal is not None)


def _downloads(call: ast.Call, script: Script, scripts: Scripts) -> bool:
    """Return whether a call loads published weights, whose head stays as it is."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    value = given.get("pretrained") or given.get("weights") or (call.args[0] if call.args else None)
    literal = scripts.literal(value, script)
    variable = _target(call, script)
    part = tuple(f"{variable}.{part}" for part in ("fc", "classifier", "head", "heads"))
    changed = any(
        isinstance(s, ast.Assign) and ast.unparse(s.targets[0]).startswith(part) for s in _after(call, script)
    )
    return value is not None and "num_classes" not in given and not changed and (literal is None or bool(literal.value))


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A call that builds a model by a name that no file tells.

    Attributes:
        location: of the call.
        name: the expression that gives the name: `args.arch`.
        option: where the command-line option of that name is declared, which has no default; None if there is none.
        choices: the names that it may be, as far as the text tells.
    """

    location: Location
    name: str
    option: Location | None = None
    choices: tuple[str, ...] = ()


def unnamed(scripts: Scripts) -> Unnamed | None:
    """Return the first call that builds a model by a name that no file tells; None if there is none."""
    for script in scripts.all:
        for call in script.calls:
            by_name = _by_name(call, script, scripts) or _by_table(call, script, scripts)
            if by_name and by_name[1] is not None and not _builder(call, script, scripts)[1]:
                node, choices = by_name[1], _choices(call, script, scripts)
                last = ast.unparse(node).rpartition(".")[2]
                option = scripts.without_default(last)
                given = option[1] if option else ()
                return Unnamed(
                    script.location(call), ast.unparse(node), option[0] if option else None, choices or given
                )
    return None


def _by_table(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ast.expr | None, Script] | None:
    """Return the key of the builder that a call takes out of a dict; None for any other call."""
    func, home = scripts.called(call.func, script)
    return ("", func.slice, home) if isinstance(func, ast.Subscript) and _choices(call, script, scripts) else None


def _choices(call: ast.Call, script: Script, scripts: Scripts) -> tuple[str, ...]:
    """Return the builders in the dict out of which a call takes what it calls; () if it is no such call."""
    func, home = scripts.called(call.func, script)
    table = scripts.table(func.value, home) if isinstance(func, ast.Subscript) else None
    found = [scripts.called(value, table[1]) for value in table[0].values] if table else []
    names = [where.name(node) for node, where in found]
    return tuple(dotted.rpartition(".")[2] for dotted in names if dotted.startswith("torchvision.models."))


def _argument(call: ast.Call, place: int, keyword: str) -> ast.expr | None:
    named = next((k.value for k in call.keywords if k.arg == keyword), None)
    return call.args[place] if len(call.args) > place else named


def _held(around: ast.ClassDef, call: ast.Call, script: Script) -> str:
    """Return `net.` if a class only holds the model as `self.net` and calls it in forward; "" otherwise."""
    forward = next((node for node in around.body if isinstance(node, ast.FunctionDef) and node.name == "forward"), None)
    body = [node for node in forward.body if not isinstance(node, ast.Expr)] if forward else []
    target = _target(call, script)
    match body:
        case [ast.Return(ast.Call(ast.Attribute(ast.Name("self"), name), [ast.Name()]))]:
            return f"{name}." if target in (f"self.{name}", name) or script.bound(f"self.{name}", call) else ""
        case [ast.Assign([ast.Name(a)], ast.Call(ast.Attribute(ast.Name("self"), name), [_])), ast.Return(ast.Name(b))]:
            return f"{name}." if a == b and target in (f"self.{name}", name) else ""
    return ""


def _target(call: ast.Call, script: Script) -> str:
    """Return what the result of a call is assigned to: `model`, `self.net`; "" if to nothing."""
    node: ast.AST = call
    while not isinstance(node, ast.stmt):
        node = script.parents[node]
    return ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""


def _changes(call: ast.Call, script: Script, scripts: Scripts, library: str, name: str) -> Iterator[Change]:
    """Yield what replaces parts of the model that a call builds; not a head with only another number of classes."""
    variable, row = _target(call, script), known(name, library)
    if not variable or row is None:
        return
    for statement in _after(call, script):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Attribute | ast.Subscript):
            continue
        target = statement.targets[0]
        part = _part_of(target, variable)
        is_layer = isinstance(statement.value, ast.Call) and not part.endswith(("requires_grad", "data", "training"))
        if not ast.unparse(target).startswith(f"{variable}.") or not is_layer:
            continue
        own = row.head.removesuffix(".weight")
        called = script.name(statement.value.func) if isinstance(statement.value, ast.Call) else ""
        is_same = part == own and called == "torch.nn.Linear" and not _has_no_bias(statement.value)
        if not is_same and called != "torch.nn.Identity":
            yield _change(statement.value, part, variable, own, script, scripts)


def _has_no_bias(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and any(keyword.arg == "bias" for keyword in node.keywords)


def _part_of(target: ast.expr, variable: str) -> str:
    """Return a dotted path below the variable: `classifier.6` for `model.classifier[6]`."""
    text = ast.unparse(target).removeprefix(f"{variable}.")
    return re.sub(r"\[(\d+)\]", r".\1", text)


def _after(call: ast.Call, script: Script) -> Iterator[ast.stmt]:
    """Yield the statements that follow a call in its block and in the blocks around it, within its function."""
    node: ast.AST = call
    scope = script.scope(call)
    while node is not scope and node in script.parents:
        inner, node = node, script.parents[node]
        for name in ("body", "orelse"):
            block = getattr(node, name, [])
            if isinstance(block, list) and inner in block:
                yield from block[block.index(inner) + 1 :]


def _change(node: ast.expr, part: str, variable: str, own: str, script: Script, scripts: Scripts) -> Change:
    """Return a part as the written module builds it: on `model`, and if it is the head, for `classes` classes."""

    def local(inner: ast.expr) -> ast.expr | None:
        """Put in what a name of the function stands for, if that is something of the model: its features."""
        bound = script.bound(inner.id, inner) if isinstance(inner, ast.Name) else None
        return bound if bound is not None and ast.unparse(bound).startswith(f"{variable}.") else None

    whole = filled(node, local)
    is_head = part.partition(".")[0] == own.partition(".")[0]
    last = _last_linear(whole) if is_head else None
    if last is not None and len(last.args) > 1:
        last.args[1] = ast.Name(CLASSES, ast.Load())
    elif last is not None:
        for keyword in last.keywords:
            keyword.value = ast.Name(CLASSES, ast.Load()) if keyword.arg == "out_features" else keyword.value
    script.parents.update({inner: script.parents[node] for inner in ast.walk(whole) if inner not in script.parents})
    features = {ast.unparse(n) for n in ast.walk(whole) if isinstance(n, ast.Attribute)}
    kept = {text: _VARIABLE + text.removeprefix(variable) for text in features if text.startswith(f"{variable}.")}
    written = rewrite(whole, script, scripts, {**kept, CLASSES: CLASSES})
    place = re.sub(r"\.(\d+)", r"[\1]", part)
    return Change(place, written, f"{part}.{_index(whole)}weight" if last is not None else "")


def _last_linear(node: ast.expr) -> ast.Call | None:
    linear = [n for n in ast.walk(node) if isinstance(n, ast.Call) and ast.unparse(n.func).endswith("Linear")]
    return max(linear, key=lambda n: (n.lineno, n.col_offset)) if linear else None


def _index(node: ast.expr) -> str:
    """Return where the last Linear is in a Sequential: `3.`; "" if the expression is the layer itself."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Sequential"):
        for number, item in reversed(list(enumerate(node.args))):
            if isinstance(item, ast.Call) and ast.unparse(item.func).endswith("Linear"):
                return f"{number}."
    return ""


def _own(script: Script, scripts: Scripts, networks: dict[str, list[Script]]) -> Iterator[Model]:
    """Yield the classes of the repository that are built outside of other models."""
    for call in script.calls:
        func, place = scripts.called(call.func, script)
        name = place.name(func).rpartition(".")[2]
        homes = networks.get(name, [])
        if not homes or _NO_MODEL.search(name) or _is_layer(call, script, networks):
            continue
        if any(isinstance(s, ast.ClassDef) and script in networks.get(s.name, ()) for s in script.scopes(call)):
            continue
        home = script if script in homes else homes[0]
        if _only_holds(home, name, scripts):
            continue
        written = definition(name, home, scripts)
        arguments = _arguments(call, home, name, script, scripts)
        written.with_needs_of(arguments)
        written.text = f"{written.text}({arguments.text})"
        yield Model("", name, script.location(call), written=written, rank=_rank(script), ends=_ends(home, name))


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
    inside = [c for c in home.calls if node in home.scopes(c) and _builder(c, home, scripts)[1]]
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
    for node in ast.walk(script.tree):
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
    called = {script.name(call.func) for call in script.calls}
    methods = {call.func.attr for call in script.calls if isinstance(call.func, ast.Attribute)}
    name = script.path.rpartition("/")[2]
    return (
        2 * bool(_SERVES.search(name))
        + 2 * ("load_state_dict" in methods or "torch.load" in called)
        + ("torch.save" in called)
        - 2 * script.path.endswith(".ipynb")
    )
