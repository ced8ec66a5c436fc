"""Reads one Python file with ast: its imports and calls with their locations, and the names that it defines.

It knows nothing of the project around the file, and imports and runs nothing.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from seatrial.facts.python.expressions import MOST_TESTS, Expressions, parameters
from seatrial.facts.python.module import Module, SyntaxFault
from seatrial.facts.python.notes import Block, Notes
from seatrial.facts.python.places import Places, all_kinds, dotted, named_in, parts, scaling_of
from seatrial.facts.python.resolving import Resolver
from seatrial.facts.python.scopes import Names, Scope
from seatrial.facts.python.versions import version_test
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.facts.python.notes import Definition
    from seatrial.facts.python.places import Named
    from seatrial.facts.python.scopes import Binding
    from seatrial.facts.python.versions import VersionTest

CATCHES_IMPORT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
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
    places = Places(path, content)
    reader = _Reader(places, name, package)
    reader.visit(tree)
    notes = reader.notes
    return Module(
        name=name,
        path=path,
        is_package=is_package,
        imports=tuple(notes.imports),
        names=frozenset(notes.names),
        definitions=notes.definitions,
        open=notes.open,
        beyond=tuple(notes.beyond),
        uses=Resolver(places, Names(notes.module.dotted, notes.stars)).uses(notes),
    )


class _Reader:
    """Walks the statements of one file and tracks the kind of block that it is in.

    `_VISITS` below says what is done with which kind of node. Statements nest by recursion, which Python limits to 100
    levels of indentation. Chains of elif may be thousands long, so they are walked in a loop. Calls are resolved once
    everything was read, because a function may use what is bound below it.
    """

    def __init__(self, places: Places, name: str, package: str) -> None:
        self.notes = Notes(name, package)
        self._places = places
        self._expressions = Expressions(self.notes, places)
        self._block = Block(self.notes.module)

    def visit(self, node: ast.AST) -> None:
        """Note a node and what is below it."""
        _VISITS[type(node)](self, node)

    def visit_parts(self, node: ast.AST) -> None:
        """Note what is below a node."""
        for part in parts(node):
            _VISITS[type(part)](self, part)

    def visit_expression(self, node: ast.expr) -> None:
        self._expressions.note(node, self._block)

    def visit_statement(self, node: ast.Expr) -> None:
        """Note an expression that stands alone; most are docstrings."""
        if type(node.value) is not ast.Constant:
            self.visit_expression(node.value)

    def visit_arguments(self, node: ast.arguments) -> None:
        """Note the annotations and defaults of parameters, in the order of the fields of a node."""
        star = [node.vararg] if node.vararg else []
        for parameter in (*node.posonlyargs, *node.args, *star, *node.kwonlyargs):
            if parameter.annotation:
                self.visit_expression(parameter.annotation)
        for default in (*node.kw_defaults, node.kwarg and node.kwarg.annotation, *node.defaults):
            if default:
                self.visit_expression(default)

    def visit_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._import(alias.name, (), self._places.of(alias))
            top = alias.name.split(".")[0]
            self._bind(alias.asname or top, alias.name if alias.asname else top)
            self._mention(alias)
            if alias.name == "importlib":
                self.notes.importers.add(f"{alias.asname or top}.import_module")

    def visit_import_from(self, node: ast.ImportFrom) -> None:
        module = self.notes.absolute(node)
        names = tuple(alias.name for alias in node.names)
        if module:
            self._import(module, names, self._places.of(node))
        elif node.level:
            written = "." * node.level + (node.module or "")
            self.notes.beyond.append(self.notes.imported(written, names, self._places.of(node), self._block))
        for alias in node.names:
            if alias.name == "*":
                self.notes.open = self.notes.open or self._in_scope_of_module
                self.notes.stars.append(module)
            else:
                self._bind(alias.asname or alias.name, f"{module}.{alias.name}" if module else None)
                self._mention(alias)
                if (module, alias.name) == ("importlib", "import_module"):
                    self.notes.importers.add(alias.asname or alias.name)

    def visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._define(node, node.name, "def ")
        self.notes.open = self.notes.open or (self._in_scope_of_module and node.name == "__getattr__")
        for outside in (*node.decorator_list, node.args, *([node.returns] if node.returns else [])):
            self.visit(outside)
        scope = self._scope("function", node)
        scope.decorators = node.decorator_list
        named = parameters(node.args)
        for parameter in named:
            scope.bind(parameter, None)
        kinds = {dotted(decorator) for decorator in node.decorator_list}
        if self._block.scope.kind == "class" and named and "staticmethod" not in kinds:
            scope.receiver, scope.is_classmethod = named[0], "classmethod" in kinds
        self._visit_in(self._block._replace(scope=scope, lazy=True, tried=False, withs=()), node.body)

    def visit_class(self, node: ast.ClassDef) -> None:
        self._define(node, node.name, "class ")
        for outside in (*node.decorator_list, *node.bases, *node.keywords):
            self.visit(outside)
        self._visit_in(self._block._replace(scope=self._scope("class", node)), node.body)

    def visit_global(self, node: ast.Global) -> None:
        self.notes.names.update(node.names)
        for name in node.names:  # what it assigns there is not followed
            self.notes.module.bind(name, None)

    def visit_nonlocal(self, node: ast.Nonlocal) -> None:
        scope = self._block.scope
        while scope.parent:
            scope = scope.parent
            for name in node.names:
                scope.bind(name, None)

    def visit_try(self, node: ast.Try | ast.TryStar) -> None:
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

    def visit_handler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, None)
        self.visit_parts(node)

    def visit_binding_pattern(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name, None)
        self.visit_parts(node)

    def visit_mapping_pattern(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest, None)
        self.visit_parts(node)

    def visit_with(self, node: ast.With | ast.AsyncWith) -> None:
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

    def visit_if(self, node: ast.If) -> None:
        before = self._block
        while True:
            self.visit(node.test)
            never = dotted(node.test).endswith("TYPE_CHECKING") or _is_main_guard(node.test)
            named = named_in(node.test)
            chosen = any(isinstance(part, ast.Attribute) and dotted(part) in CHOOSES_PLATFORM for part in named)
            # The else is guarded by the test too. Only the last tests of a long chain are kept.
            tests = (*self._block.tests, node.test)[-MOST_TESTS:]
            around = self._block.versions
            within = self._block._replace(
                optional=self._block.optional or chosen,
                tests=tests,
                typing_only=self._block.typing_only or never,
                versions=(*around, *self._versions(node.test, named, holds=True)),
            )
            self._visit_in(within, node.body)
            versions = (*around, *self._versions(node.test, named, holds=False)) if node.orelse else around
            self._block = self._block._replace(optional=within.optional, tests=tests, versions=versions)
            match node.orelse:
                case [ast.If() as node]:  # elif: the next link of the chain
                    continue
                case rest:
                    self._visit_in(self._block, rest)
                    break
        self._block = before

    def _versions(self, test: ast.expr, named: list[Named], *, holds: bool) -> tuple[VersionTest, ...]:
        found = version_test(test, named, self._only_bound, holds=holds)
        return (found,) if found else ()

    def _only_bound(self, name: str) -> str | ast.expr | None:
        """Return what alone was bound to a name of the module so far."""
        bindings = self.notes.module.bindings.get(name, ())
        return bindings[0] if len(bindings) == 1 else None

    def visit_assignment(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self._assign(target, node.value)

    def visit_annotated(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value:
            self.visit(node.value)
            self._assign(node.target, node.value)
        elif isinstance(node.target, ast.Name) and self._in_scope_of_module:
            self.notes.names.add(node.target.id)

    def visit_augmented(self, node: ast.AugAssign) -> None:
        if not self._block.typing_only:
            self._block.scope.runs_in().mentions.update(scaling_of(node))
        self.visit_parts(node)

    def visit_return(self, node: ast.Return) -> None:
        if self._block.scope.kind == "function":
            self._block.scope.returns.append(node.value)
        self.visit_parts(node)

    @property
    def _in_scope_of_module(self) -> bool:
        return self._block.scope is self.notes.module

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
            self.notes.store(target, value, self._block)
            self.visit(target.value)
        elif isinstance(target, ast.Tuple | ast.List):
            same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            starred = any(isinstance(item, ast.Starred) for item in target.elts)
            values = value.elts if same and not starred and isinstance(value, ast.Tuple | ast.List) else None
            for index, item in enumerate(target.elts):
                self._assign(item, values[index] if values else None)
        else:
            self.visit(target)

    def _import(self, module: str, names: tuple[str, ...], location: Location) -> None:
        if module:
            self.notes.imports.append(self.notes.imported(module, names, location, self._block))

    def _mention(self, alias: ast.alias) -> None:
        """Note the original name of what is imported under another."""
        if alias.asname and not self._block.typing_only:
            self._block.scope.runs_in().mentions.add(alias.name.rpartition(".")[2])

    def _bind(self, name: str, binding: Binding) -> None:
        self.notes.bind(name, binding, self._block)

    def _define(self, node: Definition, name: str, keyword: str) -> None:
        scope = self._block.scope
        scope.bind(name, f"{scope.dotted}.{'<locals>.' if scope.kind == 'function' else ''}{name}")
        if self._in_scope_of_module:
            self.notes.names.add(name)
            self.notes.definitions[name] = self._named(node, keyword)

    def _named(self, node: Definition, keyword: str) -> Location:
        is_async = isinstance(node, ast.AsyncFunctionDef)
        column = node.col_offset + len("async " if is_async else "") + len(keyword) + 1
        return Location(self._places.path, node.lineno, column, column + len(node.name))

    def _scope(self, kind: str, node: Definition) -> Scope:
        around = self._block.scope
        inner = f"{'<locals>.' if around.kind == 'function' else ''}{node.name}"
        qualname = f"{around.qualname}.{inner}" if around.qualname else inner
        scope = Scope(kind, qualname, around, f"{around.dotted}.{inner}")
        self.notes.scopes.append((scope, node))
        return scope


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


_Visit = Callable[[_Reader, Any], None]
# What is done with each kind of node; with those that are not here, as with their parts.
_VISITS: dict[type[ast.AST], _Visit] = {
    **dict.fromkeys(all_kinds(ast.AST), _Reader.visit_parts),
    **dict.fromkeys(all_kinds(ast.expr), _Reader.visit_expression),
    ast.Expr: _Reader.visit_statement,
    ast.arguments: _Reader.visit_arguments,
    ast.Import: _Reader.visit_import,
    ast.ImportFrom: _Reader.visit_import_from,
    ast.FunctionDef: _Reader.visit_function,
    ast.AsyncFunctionDef: _Reader.visit_function,
    ast.ClassDef: _Reader.visit_class,
    ast.Global: _Reader.visit_global,
    ast.Nonlocal: _Reader.visit_nonlocal,
    ast.Try: _Reader.visit_try,
    ast.TryStar: _Reader.visit_try,
    ast.ExceptHandler: _Reader.visit_handler,
    ast.MatchAs: _Reader.visit_binding_pattern,
    ast.MatchStar: _Reader.visit_binding_pattern,
    ast.MatchMapping: _Reader.visit_mapping_pattern,
    ast.With: _Reader.visit_with,
    ast.AsyncWith: _Reader.visit_with,
    ast.If: _Reader.visit_if,
    ast.Assign: _Reader.visit_assignment,
    ast.AnnAssign: _Reader.visit_annotated,
    ast.AugAssign: _Reader.visit_augmented,
    ast.Return: _Reader.visit_return,
}
