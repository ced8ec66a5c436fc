"""Classes that only pass on to a model that they are given, as Lightning's modules do: `Module(net=resnet18())`."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from seatrial.facts.repository.script import parameters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.script import Script


def passed(script: Script, networks: dict[str, list[Script]]) -> dict[ast.Call, tuple[ast.Call, str]]:
    """Return the calls whose models are given to a class that only passes on to them.

    Each with the call of that class, and what every saved name begins with because of it: `net.`.
    """
    found: dict[ast.Call, tuple[ast.Call, str]] = {}
    for outer in script.calls:
        name = script.name(outer.func).rpartition(".")[2]
        for home in networks.get(name, ())[:1]:
            for parameter, value in _given(outer, home, name):
                inner = script.bound(value.id, value) if isinstance(value, ast.Name) else value
                attribute = _passes_on(home.definitions[name], parameter) if isinstance(inner, ast.Call) else ""
                if attribute and isinstance(inner, ast.Call):
                    found[inner] = outer, f"{attribute}."
    return found


def _given(call: ast.Call, home: Script, name: str) -> Iterator[tuple[str, ast.expr]]:
    """Yield what a call gives to the parameters of a class."""
    init = _method(home.definitions[name], "__init__")
    named = list(parameters(init))[1:] if init else []
    yield from zip(named, call.args, strict=False)
    yield from ((keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg)


def _passes_on(node: ast.stmt, parameter: str) -> str:
    """Return the attribute that holds a parameter, if forward answers what it answers; "" otherwise."""
    init, forward = _method(node, "__init__"), _method(node, "forward")
    body = [statement for statement in forward.body if not isinstance(statement, ast.Expr)] if forward else []
    match body:
        case [ast.Return(ast.Call(ast.Attribute(ast.Name("self"), attribute), [ast.Name()], []))]:
            for statement in ast.walk(init) if init else ():
                match statement:
                    case ast.Assign([ast.Attribute(ast.Name("self"), name)], ast.Name(value)):
                        if (name, value) == (attribute, parameter):
                            return attribute
    return ""


def _method(node: ast.stmt, name: str) -> ast.FunctionDef | None:
    body = node.body if isinstance(node, ast.ClassDef) else []
    return next((part for part in body if isinstance(part, ast.FunctionDef) and part.name == name), None)
