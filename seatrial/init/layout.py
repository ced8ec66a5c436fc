"""Lays out an expression as Python formatters do: on one line if it fits, else one part a line; in double quotes."""

from __future__ import annotations

import ast
import io
import tokenize

WIDTH = 112  # characters of a line of a method, whose body is indented by 8


def assigned(target: str, text: str) -> list[str]:
    """Return the lines of `target = text`."""
    return _broken(f"{target} = ", ast.parse(text, mode="eval").body, 0, "")


def _broken(before: str, node: ast.expr, indent: int, after: str) -> list[str]:
    whole = f"{before}{ast.unparse(node)}{after}"
    if len(whole) <= WIDTH:
        return [whole]
    inner = indent + 4
    match node:
        case ast.Call(func, arguments, keywords) if arguments or keywords:
            parts: list[tuple[str, ast.expr]] = [("", argument) for argument in arguments]
            parts += [(f"{keyword.arg}=" if keyword.arg else "**", keyword.value) for keyword in keywords]
            opened, closed = f"{ast.unparse(func)}(", ")"
        case ast.List(items):
            parts, opened, closed = [("", item) for item in items], "[", "]"
        case _:
            return [whole]
    lines = [f"{before}{opened}"]
    is_only_list = len(parts) == 1 and isinstance(parts[0][1], ast.List)
    for name, part in parts:
        lines += _broken(f"{' ' * inner}{name}", part, inner, "" if is_only_list else ",")
    return [*lines, f"{' ' * indent}{closed}{after}"]


def double_quoted(source: str) -> str:
    """Return Python in which texts are in double quotes, unless they have some in them."""
    lines = source.splitlines(keepends=True)
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(source).readline))):
        text = token.string
        is_plain = token.type == tokenize.STRING and text[:1] == "'" and text[:3] != "'''" and '"' not in text
        if is_plain and "\\" not in text and token.start[0] == token.end[0]:
            line = lines[token.start[0] - 1]
            lines[token.start[0] - 1] = f'{line[: token.start[1]]}"{text[1:-1]}"{line[token.end[1] :]}'
    return "".join(lines)
