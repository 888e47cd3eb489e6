"""What is wrong with a configuration, in plain words: one line a fault."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

Loc = tuple[str | int, ...]
"""The path of a key from the top: ("instances", 0, "region")."""

REQUIRED = "Field required"
NO_CREDENTIALS = (
    "unknown key; credentials never stand in the configuration: they come from boto3's own chain "
    "(environment, profile, IRSA, Pod Identity, instance role)"
)
SECRET = re.compile(r"secret|passw|token|access_?key|credential|api_?key", re.IGNORECASE)
LINE_LIMIT = 1000


class ConfigError(Exception):
    """A configuration that can not be used."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(one_line(fault) for fault in faults)
        """One line each, complete with the name of the file or variable and the key's path."""
        super().__init__("\n".join(self.faults))


def one_line(text: str) -> str:
    """The text without anything that a terminal would act on, and of bearable length."""
    cut = text if len(text) <= LINE_LIMIT else text[:LINE_LIMIT] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


def dotted(loc: Loc) -> str:
    return ".".join(str(part) or '""' for part in loc)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`; did you mean "…"?`, or nothing where no known word is close."""
    by_case = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(str(word).casefold()[:100], by_case, n=1, cutoff=0.6)
    return f'; did you mean "{by_case[close[0]]}"?' if close else ""


def plain_type(annotation: Any) -> Any:
    """The type behind Annotated and `| None`."""
    while True:
        origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
        if origin is typing.Annotated:
            annotation = arguments[0]
        elif origin in (typing.Union, types.UnionType):
            annotation = next(a for a in arguments if a is not type(None))
        else:
            return annotation


def takes_null(annotation: Any) -> bool:
    """Of a field's annotation, from which pydantic has taken Annotated off."""
    return type(None) in typing.get_args(annotation)


def child_type(annotation: Any, key: str | int) -> Any:
    """The type of what stands under `key`; None where there is no such key."""
    outer = plain_type(annotation)
    if isinstance(outer, type) and issubclass(outer, BaseModel):
        field = outer.model_fields.get(str(key))
        return None if field is None else field.annotation
    origin, arguments = typing.get_origin(outer), typing.get_args(outer)
    if origin is tuple:
        return arguments[0] if str(key).isdecimal() else None
    return arguments[1] if origin is dict else None


def known_keys(annotation: Any) -> tuple[str, ...]:
    """The keys that may stand in a block of this type: a model's, or the names that a mapping's keys are limited to."""
    outer = plain_type(annotation)
    if isinstance(outer, type) and issubclass(outer, BaseModel):
        return tuple(outer.model_fields)
    if typing.get_origin(outer) is dict:
        return tuple(typing.get_args(plain_type(typing.get_args(outer)[0])))
    return ()


def type_at(model: type[BaseModel], loc: Loc) -> Any:
    annotation: Any = model
    for key in loc:
        annotation = child_type(annotation, key)
    return annotation


def unknown_key(model: type[BaseModel], loc: Loc) -> str:
    """Says what was probably meant: a key of the same block, else one of the same name in another block."""
    key = str(loc[-1])
    if SECRET.search(key):
        return NO_CREDENTIALS
    siblings = known_keys(type_at(model, loc[:-1]))
    if close := did_you_mean(key, siblings):
        return "unknown key" + close
    elsewhere = [name for name in model.model_fields if key in known_keys(type_at(model, (name,)))]
    if elsewhere:
        return f'unknown key; did you mean "{elsewhere[0]}.{key}"?'
    return "unknown key" + (f"; known: {', '.join(siblings)}" if siblings else "")


def choice(error: ErrorDetails) -> str:
    allowed = re.findall(r"'([^']*)'", error["ctx"]["expected"])
    given = error["input"]
    return f"must be {'one of ' if len(allowed) > 1 else ''}{', '.join(allowed)}" + (
        did_you_mean(given, allowed) if isinstance(given, str) else ""
    )


WORDS: Mapping[str, str | Callable[[ErrorDetails], str]] = {
    "missing": REQUIRED,
    "literal_error": choice,
    "value_error": lambda error: str(error["ctx"]["error"]),
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be a single text",
    "string_unicode": "must be valid Unicode text",
    "string_too_short": "must not be empty",
    "tuple_type": "must be a list: write [a, b], or one a line after a dash",
    "dict_type": "must be a mapping: write its keys indented beneath it",
    "model_type": "must be a mapping: write its keys indented beneath it",
}


def fault(model: type[BaseModel], error: ErrorDetails) -> tuple[Loc, str]:
    """The key's path and the message, made of one of pydantic's errors."""
    loc: Loc = error["loc"]
    if error["type"] == "extra_forbidden":
        return loc, unknown_key(model, loc)
    if loc and loc[-1] == "[key]":
        return loc[:-1], unknown_key(model, loc[:-1])
    words = WORDS.get(error["type"], error["msg"])
    return loc, words if isinstance(words, str) else words(error)
