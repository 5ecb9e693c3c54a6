"""Between the API's JSON and the models: proto3 JSON with money as decimal strings."""
import base64
import dataclasses
import datetime
import enum
import functools
import re
import typing
from decimal import Decimal
from typing import Any, Callable, Dict, FrozenSet, Mapping, Optional, Type, TypeVar

Model = TypeVar("Model")
_UTC = datetime.timezone.utc


class OpenEnum(str, enum.Enum):
    """The API's words. One of a newer server is kept as it came instead of being an error."""

    @classmethod
    def _missing_(cls, value: object) -> Any:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = member._value_ = value
        return member

    def __str__(self) -> str:
        return str(self.value)


def _moment(text: str) -> datetime.datetime:
    # RFC 3339 with 0, 3, 6 or 9 decimals of a second; before 3.11 fromisoformat knows only some.
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", text)
    if not found:
        raise ValueError(f"{text!r} is no moment of the API")
    moment = datetime.datetime.strptime(found[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=_UTC)
    return moment + datetime.timedelta(microseconds=int((found[2] or "").ljust(9, "0")[:6]))


def _span(text: str) -> datetime.timedelta:
    return datetime.timedelta(microseconds=int(Decimal(text[:-1]).scaleb(6)))


_SCALARS: Dict[Any, Callable[[Any], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: bool,
    bytes: lambda text: base64.b64decode(text),
    Decimal: lambda text: Decimal(text or "0"),
    datetime.datetime: _moment,
    datetime.timedelta: _span,
}


def _reader(kind: Any) -> Callable[[Any], Any]:
    origin = typing.get_origin(kind)
    if origin is typing.Union:  # Optional
        inner = _reader(next(each for each in typing.get_args(kind) if each is not type(None)))
        return lambda value: None if value is None or value == "" else inner(value)
    if origin is list:
        item = _reader(typing.get_args(kind)[0])
        return lambda values: [item(value) for value in values]
    if kind in _SCALARS:
        return _SCALARS[kind]
    if issubclass(kind, enum.Enum):
        return lambda value: kind(value)
    return lambda value: decode(kind, value)


@functools.lru_cache(maxsize=None)
def _readers(model: Any) -> Dict[str, Callable[[Any], Any]]:
    hints = typing.get_type_hints(model)
    return {field.name: _reader(hints[field.name]) for field in dataclasses.fields(model)}


def decode(model: Type[Model], document: Mapping[str, Any]) -> Model:
    """The model of a JSON object. What a newer server says beyond the model is passed over."""
    readers = _readers(typing.cast(typing.Hashable, model))
    return model(**{name: readers[name](value) for name, value in document.items() if name in readers})


@functools.lru_cache(maxsize=None)
def scalars_of(model: Any) -> FrozenSet[str]:
    """The fields that every answer holds: those that are no message and no moment."""
    hints = typing.get_type_hints(model)
    return frozenset(field.name for field in dataclasses.fields(model)
                     if typing.get_origin(hints[field.name]) is not typing.Union or hints[field.name] == Optional[Decimal])
