"""Reads one Python file with ast: its imports and calls with their locations, and the names that it defines.

It knows nothing of the project around the file, and imports and runs nothing.
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from seatrial.facts.python.module import Import, Module, SyntaxFault
from seatrial.facts.python.places import Places, dotted, mark_of, parts, scaling_of
from seatrial.facts.python.resolving import Block, Resolver
from seatrial.facts.python.scopes import Names, Scope
from seatrial.facts.python.versions import version_test
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.facts.python.calls import Uses
    from seatrial.facts.python.versions import VersionTest

CATCHES_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
BY_NAME = {"getattr", "globals", "eval", "exec", "vars"}  # builtins that may call what no source spells
MOST_TESTS = 8  # tests around a place that are kept; a guard is near to what it guards
CHOOSES_PLATFORM = {"sys.version_info", "sys.platform", "os.name", "platform.system"}


def read_module(file: Path, name: str, path: str) -> Module | SyntaxFault:
    """Read one file; `name` is its dotted name, and `path` is what locations name."""
    content = file.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in a user's string is not a fault
            tree = ast.parse(content, filename=path)
    except SyntaxError as error:
        column, end = error.offset or None, error.end_offset or 0
        on_one_line = error.end_lineno == error.lineno and end > (column or 0)
        return SyntaxFault(error.msg, Location(path, error.lineno, column, end if on_one_line else None))
    except ValueError as error:  # NUL bytes; an encoding that cannot be decoded
        return SyntaxFault(str(error), Location(path))
    except (MemoryError, RecursionError):  # how Python refuses what its own parser cannot hold
        return SyntaxFault("an expression or a block is nested too deeply", Location(path))
    is_package = file.name == "__init__.py"
    package = name if is_package else name.rpartition(".")[0]
    reader = _Reader(Places(path, content), name, package)
    reader.visit(tree)
    return Module(
        name=name,
        path=path,
        is_package=is_package,
        imports=tuple(reader.imports),
        names=frozenset(reader.names),
        definitions=reader.definitions,
        open=reader.open,
        beyond=tuple(reader.beyond),
        uses=reader.uses(),
    )


class _Reader(ast.NodeVisitor):
    """Walks one file and tracks the kind of block that it is in.

    Statements nest by recursion, which Python limits to 100 levels of indentation. Expressions and chains of elif
    may be thousands deep, so they are walked in loops. Calls are resolved once everything was read, because a
    function may use what is bound below it.
    """

    def __init__(self, places: Places, name: str, package: str) -> None:
        self.imports: list[Import] = []
        self.beyond: list[Import] = []
        self.names: set[str] = set()
        self.definitions: dict[str, Location] = {}
        self.open = False
        self._places = places
        self._package = package
        self._module = Scope("module", "", None, name)
        self._block = Block(self._module)
        self._scopes: list[tuple[Scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]] = []
        self._calls: list[tuple[ast.Call, Block]] = []
        self._reads: list[tuple[ast.Attribute, Block]] = []
        self._stores: list[tuple[ast.Attribute, Block]] = []
        self._stars: list[str] = []
        self._importers = {"__import__"}  # what imports the module that its first argument names

    def uses(self) -> Uses:
        """Resolve what was read; only once, after the walk."""
        return Resolver(self._places, Names(self._module.dotted, self._stars)).uses(
            self._module, self._scopes, self._calls, self._reads, self._stores, tuple(self._stars)
        )

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.expr):
            self._expression(node)
        else:
            super().visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for part in parts(node):
            self.visit(part)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias.name, (), self._places.of(alias))
            top = alias.name.split(".")[0]
            self._bind(alias.asname or top, alias.name if alias.asname else top)
            self._mention(alias)
            if alias.name == "importlib":
                self._importers.add(f"{alias.asname or top}.import_module")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = self._absolute(node)
        names = tuple(alias.name for alias in node.names)
        if module:
            self._import(module, names, self._places.of(node))
        elif node.level:
            written = "." * node.level + (node.module or "")
            self.beyond.append(self._imported(written, names, self._places.of(node), self._block))
        for alias in node.names:
            if alias.name == "*":
                self.open = self.open or self._in_scope_of_module
                self._stars.append(module)
            else:
                self._bind(alias.asname or alias.name, f"{module}.{alias.name}" if module else None)
                self._mention(alias)
                if (module, alias.name) == ("importlib", "import_module"):
                    self._importers.add(alias.asname or alias.name)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._define(node, node.name, "def ")
        self.open = self.open or (self._in_scope_of_module and node.name == "__getattr__")
        for outside in (*node.decorator_list, node.args, *([node.returns] if node.returns else [])):
            self.visit(outside)
        scope = self._scope("function", node)
        scope.decorators = node.decorator_list
        a = node.args
        parameters = [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg) if p]
        for parameter in parameters:
            scope.bind(parameter, None)
        kinds = {dotted(decorator) for decorator in node.decorator_list}
        if self._block.scope.kind == "class" and parameters and "staticmethod" not in kinds:
            scope.receiver, scope.is_classmethod = parameters[0], "classmethod" in kinds
        self._visit_in(self._block._replace(scope=scope, lazy=True, tried=False, withs=()), node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._define(node, node.name, "class ")
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        self._visit_in(self._block._replace(scope=self._scope("class", node)), node.body)

    def visit_Global(self, node: ast.Global) -> None:
        self.names.update(node.names)
        for name in node.names:  # what it assigns there is not followed
            self._module.bind(name, None)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        scope = self._block.scope
        while scope.parent:
            scope = scope.parent
            for name in node.names:
                scope.bind(name, None)

    def visit_Try(self, node: ast.Try | ast.TryStar) -> None:
        guarded = any(_catches_import(handler.type) for handler in node.handlers)
        block = self._block._replace(
            optional=self._block.optional or guarded,
            tried=self._block.tried or bool(node.handlers),
        )
        self._visit_in(block, [*node.body, *node.handlers])
        # `else` comes only where the import before it worked, so that its own imports are as optional.
        self._visit_in(
            self._block._replace(optional=block.optional) if _imports(node.body) else self._block, node.orelse
        )
        for statement in node.finalbody:
            self.visit(statement)

    def visit_TryStar(self, node: ast.TryStar) -> None:
        self.visit_Try(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, None)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name, None)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, None)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, None)
        self.generic_visit(node)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> None:
        suppresses = any(
            isinstance(call := item.context_expr, ast.Call)
            and dotted(call.func).endswith("suppress")
            and any(_catches_import(argument) for argument in call.args)
            for item in node.items
        )
        for item in node.items:
            self.visit(item.context_expr)
            if item.optional_vars:
                self._assign(item.optional_vars, _entered(item.context_expr))
        block = self._block._replace(
            optional=self._block.optional or suppresses,
            withs=(*self._block.withs, *(item.context_expr for item in node.items)),
        )
        self._visit_in(block, node.body)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        self.visit_With(node)

    def visit_If(self, node: ast.If) -> None:
        before = self._block
        while True:
            self.visit(node.test)
            never = dotted(node.test).endswith("TYPE_CHECKING") or _is_main_guard(node.test)
            attributes = (part for part in ast.walk(node.test) if type(part) is ast.Attribute)
            chosen = any(dotted(part) in CHOOSES_PLATFORM for part in attributes)
            # The else is guarded by the test too. Only the last tests of a long chain are kept.
            tests = (*self._block.tests, node.test)[-MOST_TESTS:]
            around = self._block.versions
            within = self._block._replace(
                optional=self._block.optional or chosen,
                tests=tests,
                typing_only=self._block.typing_only or never,
                versions=(*around, *self._versions(node.test, holds=True)),
            )
            self._visit_in(within, node.body)
            versions = (*around, *self._versions(node.test, holds=False)) if node.orelse else around
            self._block = self._block._replace(optional=within.optional, tests=tests, versions=versions)
            match node.orelse:
                case [ast.If() as node]:  # elif: the next link of the chain
                    continue
                case rest:
                    self._visit_in(self._block, rest)
                    break
        self._block = before

    def _versions(self, test: ast.expr, *, holds: bool) -> tuple[VersionTest, ...]:
        found = version_test(test, self._only_bound, holds=holds)
        return (found,) if found else ()

    def _only_bound(self, name: str) -> str | ast.expr | None:
        """Return what alone was bound to a name of the module so far."""
        bindings = self._module.bindings.get(name, ())
        return bindings[0] if len(bindings) == 1 else None

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value:
            self.visit(node.value)
            self._assign(node.target, node.value)
        elif isinstance(node.target, ast.Name) and self._in_scope_of_module:
            self.names.add(node.target.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if not self._block.typing_only:
            self._block.scope.runs_in().mentions.update(scaling_of(node))
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if self._block.scope.kind == "function":
            self._block.scope.returns.append(node.value)
        self.generic_visit(node)

    @property
    def _in_scope_of_module(self) -> bool:
        return self._block.scope is self._module

    def _visit_in(self, block: Block, nodes: Iterable[ast.AST]) -> None:
        before, self._block = self._block, block
        for node in nodes:
            self.visit(node)
        self._block = before

    def _assign(self, target: ast.expr, value: ast.expr | None) -> None:
        """Bind a target; `value` is None if unknown."""
        if isinstance(target, ast.Name):
            self._bind(target.id, value)
        elif isinstance(target, ast.Attribute):
            self._store(target, value)
            self.visit(target.value)
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            starred = any(isinstance(item, ast.Starred) for item in target.elts)
            values = value.elts if same and not starred and isinstance(value, ast.Tuple | ast.List) else None
            for index, item in enumerate(target.elts):
                self._assign(item, values[index] if values else None)
        else:
            self.visit(target)

    def _store(self, target: ast.Attribute, value: ast.expr | None) -> None:
        """Note an assignment to an attribute of `self` or of another object."""
        scope = self._block.scope
        owner = scope.method_of()
        if owner and isinstance(target.value, ast.Name) and target.value.id in _receivers(scope):
            owner.attributes.setdefault(target.attr, []).append((value, scope))
        elif dotted(target):
            self._stores.append((target, self._block))

    def _expression(self, root: ast.expr) -> None:
        """Note the calls, reads and names of an expression, however deep it is."""
        block = self._block
        mentions = block.scope.runs_in().mentions if not block.typing_only else set()
        pending: list[tuple[ast.AST, Block]] = [(root, block)]
        while pending:
            node, block = pending.pop()
            if type(node) is ast.Name:
                if type(node.ctx) is ast.Store:
                    self._bind(node.id, None)
                else:
                    mentions.update((node.id, f"{node.id}()") if node.id in BY_NAME else (node.id,))
            elif type(node) is ast.Constant:
                mentions.update(mark_of(node))
            elif type(node) is ast.Attribute:
                inner = self._attributes(node, mentions)
                pending.append((inner, block))
                if type(node.ctx) is ast.Store:
                    self._store(node, None)
                elif type(inner) is ast.Name and inner.id != block.scope.receiver:
                    self._reads.append((node, block))
            elif type(node) is ast.Call:
                self._calls.append((node, block))
                mentions.update(scaling_of(node))
                pending += [(part, block) for part in (*node.args, *node.keywords)]
                if type(node.func) is not ast.Name:
                    pending.append((self._attributes(node.func, mentions), block))
                elif not self._of_text(node, mentions):
                    pending.append((node.func, block))
                self._import_of(node, block)
            elif type(node) is ast.IfExp:
                guarded = block._replace(tests=(*block.tests, node.test)[-MOST_TESTS:])
                pending += [(node.test, block), (node.body, guarded), (node.orelse, guarded)]
            elif type(node) is ast.NamedExpr:
                self._bind(node.target.id, node.value)
                pending.append((node.value, block))
            else:
                if type(node) is ast.Lambda:
                    a = node.args
                    for parameter in (*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg):
                        if parameter:
                            block.scope.bind(parameter.arg, None)
                elif type(node) is ast.Slice:
                    mentions.update(mark_of(node))
                elif type(node) is ast.BinOp:
                    mentions.update(scaling_of(node))
                pending += [(part, block) for part in parts(node)]

    def _of_text(self, node: ast.Call, mentions: set[str]) -> bool:
        """Note what a call of a builtin may do to names that are texts; return whether it only reads one attribute."""
        match node:
            case ast.Call(ast.Name("globals" | "exec" | "setattr" | "vars")):
                self.open = True
            case ast.Call(ast.Name("getattr" | "hasattr"), [_, ast.Constant(str(attribute)), *_]):
                mentions.add(attribute)
                return True
        return False

    def _import_of(self, node: ast.Call, block: Block) -> None:
        """Note the module that a call imports by its name."""
        func = node.func
        may_import = type(func) is ast.Name or (type(func) is ast.Attribute and func.attr == "import_module")
        if may_import and dotted(func) in self._importers and (named := self._by_text(node)):
            self._import(named, (), self._places.of(node), block)

    def _attributes(self, node: ast.expr, mentions: set[str]) -> ast.expr:
        """Note a chain of attributes, and return what it begins with."""
        while isinstance(node, ast.Attribute):
            mentions.add(node.attr)
            node = node.value
        return node

    def _by_text(self, node: ast.Call) -> str:
        """Return the absolute name that `import_module("name")` imports; "" if the source does not show it."""
        match node.args:
            case [ast.Constant(str(name))] | [ast.Constant(str(name)), _, *_] if not name.startswith("."):
                return name if all(part.isidentifier() for part in name.split(".")) else ""
            case [ast.Constant(str(name)), ast.Name("__package__")]:
                level = len(name) - len(name.lstrip("."))
                return self._absolute(ast.ImportFrom(module=name[level:], names=[], level=level))
        return ""

    def _import(self, module: str, names: tuple[str, ...], location: Location, block: Block | None = None) -> None:
        if module:
            self.imports.append(self._imported(module, names, location, block or self._block))

    def _imported(self, module: str, names: tuple[str, ...], location: Location, block: Block) -> Import:
        return Import(
            module=module,
            names=names,
            location=location,
            optional=block.optional,
            typing_only=block.typing_only,
            lazy=block.lazy,
            function=block.scope.runs_in().qualname,
            guarded=bool(block.tests),
            versions=block.versions,
        )

    def _mention(self, alias: ast.alias) -> None:
        """Note the original name of what is imported under another."""
        if alias.asname and not self._block.typing_only:
            self._block.scope.runs_in().mentions.add(alias.name.rpartition(".")[2])

    def _bind(self, name: str, binding: str | ast.expr | None) -> None:
        scope = self._block.scope
        scope.bind(name, binding)
        if scope is self._module:
            self.names.add(name)

    def _define(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, name: str, keyword: str) -> None:
        scope = self._block.scope
        scope.bind(name, f"{scope.dotted}.{'<locals>.' if scope.kind == 'function' else ''}{name}")
        if self._in_scope_of_module:
            self.names.add(name)
            self.definitions[name] = self._named(node, keyword)

    def _named(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, keyword: str) -> Location:
        is_async = isinstance(node, ast.AsyncFunctionDef)
        column = node.col_offset + len("async " if is_async else "") + len(keyword) + 1
        return Location(self._places.path, node.lineno, column, column + len(node.name))

    def _scope(self, kind: str, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> Scope:
        around = self._block.scope
        inner = f"{'<locals>.' if around.kind == 'function' else ''}{node.name}"
        qualname = f"{around.qualname}.{inner}" if around.qualname else inner
        scope = Scope(kind, qualname, around, f"{around.dotted}.{inner}")
        self._scopes.append((scope, node))
        return scope

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self._package.split(".") if self._package else []
        if node.level > len(parts):
            return ""  # beyond the top-level package: Python refuses it before any module is looked for
        base = parts[: len(parts) - node.level + 1]
        return ".".join([*base, *([node.module] if node.module else [])])


def _receivers(scope: Scope) -> set[str]:
    """Return the names of `self` in a method and in the functions inside it."""
    found = set()
    around: Scope | None = scope
    while around and around.kind == "function":
        found.add(around.receiver)
        around = around.parent
    return found


def _entered(context: ast.expr) -> ast.expr:
    """Return what `with CONTEXT as name` binds, written as a call."""
    method = ast.Attribute(value=context, attr="__enter__", ctx=ast.Load())
    return ast.Call(func=method, args=[], keywords=[])


def _catches_import(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    each = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(dotted(one) in CATCHES_IMPORT for one in each)


def _imports(body: list[ast.stmt]) -> bool:
    return any(isinstance(statement, ast.Import | ast.ImportFrom) for statement in body)


def _is_main_guard(test: ast.expr) -> bool:
    parts = (test.left, *test.comparators) if isinstance(test, ast.Compare) else ()
    return any(dotted(part) == "__name__" for part in parts)
