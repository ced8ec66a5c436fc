"""The kinds of values of [tool.seatrial], and what a table of it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

WORDS = {  # pydantic's name of a wrong type, or the pattern of a text → what the value must be
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "model_type": "a table",
    "int_type": "a whole number",
    "float_type": "a number",
}


def kebab(name: str) -> str:
    """Return a field's name as the user writes it."""
    return name.replace("_", "-")


def like(pattern: str, words: str) -> StringConstraints:
    """Return the constraint of a text by its pattern; `words` describe the pattern in messages."""
    WORDS[pattern] = words
    return StringConstraints(pattern=pattern)


ImportPath = Annotated[
    str,
    like(
        r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$",
        'a module and a class in it, such as "predictor:DigitPredictor"',
    ),
]
Name = Annotated[
    str,
    like(
        r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
        "at most 63 lower-case letters, digits and hyphens, with no hyphen at either end",
    ),
]
Python = Annotated[str, like(r"^3\.\d+$", 'a minor version of Python in quotes, such as "3.11"')]
TopLevel = Annotated[
    str,
    like(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of a top-level package or module, without dots and slashes"),
]
Memory = Annotated[str, like(r"^[1-9]\d*[mg]$", 'megabytes or gigabytes, such as "512m" or "4g"')]
RequirementsIn = Annotated[
    str, like(r"^[^/\\\s]+\.in$", 'the name of a file in the project that ends in .in, such as "requirements.in"')
]
# TOML's arrays are lists, which become tuples; their items are as strict as everything else.
Texts = Annotated[tuple[str, ...], Field(strict=False)]
TopLevels = Annotated[tuple[TopLevel, ...], Field(strict=False)]
Steps = Annotated[tuple[Literal["fold-conv-bn", "channels-last"], ...], Field(strict=False)]
Percent = Annotated[int, Field(ge=1, le=100)]
Percents = Annotated[tuple[Percent, ...], Field(strict=False)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]
Route = Annotated[str, Field(pattern=r"^(/[!-~]*)?$")]


class Table(BaseModel):
    """A table of the configuration: keys in kebab-case, no unknown keys, frozen values."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, alias_generator=kebab, populate_by_name=True
    )
