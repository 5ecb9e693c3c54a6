"""The values of a job's secrets: where they are read from, and their bytes on the way to a node. docs/secrets.md.

What stands in the call is where a value is read from, never the value, so no script holds one; and no message, repr or
order shows one.
"""
import os
import re
from typing import Any, Dict, Iterable, List, Mapping, Union

from .errors import SecretFailed

IMAGE_PASSWORD = "env:FALLOW_IMAGE_PASSWORD"
SECRET_BYTES_MAX = 32 << 10
# All of them together, sealed, are at most 64 KiB.
ALL_SECRETS_BYTES_MAX = 60 << 10
_SOURCE = re.compile(r"(env|file):.", re.S)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LINE_END = re.compile(rb"\r?\n?\Z")


class Secrets:
    """What read() has found; truth: there is something to hand over."""

    def __init__(self, environment: Mapping[str, str], image_user: str = "", image_password: str = ""):
        self._environment = dict(environment)
        self.image_user = image_user
        self._image_password = image_password

    def __bool__(self) -> bool:
        return bool(self._environment or self.image_user)

    def __repr__(self) -> str:
        return f"<secrets {', '.join(self.names)}>"

    @property
    def names(self) -> List[str]:
        return list(self._environment)

    def for_lease(self, lease: int) -> bytes:
        """LeaseSecrets of proto/fallow/v1/agent.proto. Fields that are empty or 0 are left out."""
        parts = [b"\x08" + _varint(lease)] if lease else []
        for name, value in self._environment.items():
            parts.append(_text(2, b"".join((_text(1, name.encode()), _text(2, value.encode()))), always=True))
        parts += [_text(3, self.image_user.encode()), _text(4, self._image_password.encode())]
        return b"".join(parts)


SecretSources = Union[Mapping[str, str], Iterable[str], Secrets]
"""{"NAME": "env:VARIABLE" or "file:PATH"}, or names of environment variables."""


def read(secrets: SecretSources = (), image_user: str = "", image_password: str = IMAGE_PASSWORD) -> Secrets:
    """All of them, now. SecretFailed says which is not there, or that PyNaCl is not; TypeError, ValueError: this is no
    source."""
    if isinstance(secrets, Secrets):
        return secrets
    environment = {name: _value(f"the secret {name}", source) for name, source in sources(secrets).items()}
    password = ""
    if image_user:
        if not _is_source(image_password):
            raise ValueError('image_password is "env:VARIABLE" or "file:PATH": where the password is read from, never the '
                             "password itself")
        password = _value("the password of the image's registry", image_password)
    found = Secrets(environment, image_user, password)
    if len(found.for_lease(0)) > ALL_SECRETS_BYTES_MAX:
        raise SecretFailed(f"the secrets of a job have at most {ALL_SECRETS_BYTES_MAX >> 10} KiB together")
    if found:
        import_nacl()  # nothing is ordered that could not be answered
    return found


def import_nacl() -> Any:
    """PyNaCl, which only jobs with secrets need. SecretFailed."""
    try:
        import nacl.exceptions  # type: ignore[import-not-found,unused-ignore]
        import nacl.public  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise SecretFailed("a job's secrets are sealed with the package PyNaCl: pip install 'fallow[secrets]', or on Debian "
                           "apt install python3-nacl") from None
    return nacl


def sources(secrets: Any) -> Dict[str, str]:
    """Where each is read from, by its name. TypeError, ValueError; neither repeats what may be a value that went astray."""
    if isinstance(secrets, (str, bytes)):
        raise TypeError('secrets are {"NAME": "env:VARIABLE"}, {"NAME": "file:PATH"}, or a list of names of environment '
                        "variables, and no single text")
    found = dict(secrets) if isinstance(secrets, Mapping) else {name: f"env:{name}" for name in secrets}
    for name, source in found.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("a secret's name is letters, digits and underscores; where its value is read from stands in a "
                             'dict: {"NAME": "env:VARIABLE"}, {"NAME": "file:PATH"}')
        if not _is_source(source):
            raise ValueError(f'the secret {name} is "env:VARIABLE" or "file:PATH": where its value is read from, never the '
                             "value itself")
    return found


def _is_source(text: Any) -> bool:
    return isinstance(text, str) and _SOURCE.match(text) is not None


def _value(what: str, source: str) -> str:
    kind, _, place = source.partition(":")
    if kind == "env":
        if place not in os.environ:
            raise SecretFailed(f"{what} is read from the environment variable {place}, which is not set")
        data = os.fsencode(os.environ[place])
    else:
        try:
            with open(place, "rb") as file:
                data = file.read(SECRET_BYTES_MAX + 1)
        except (OSError, ValueError) as error:  # ValueError: of a path with a zero byte
            raise SecretFailed(f"{what} cannot be read: {error}") from None
    try:
        if len(data) <= SECRET_BYTES_MAX and b"\0" not in data:
            # A line end at the end of a file is its editor's.
            return (data if kind == "env" else _LINE_END.sub(b"", data)).decode("utf-8")
    except UnicodeDecodeError:
        pass
    raise SecretFailed(f"{what} is a text in UTF-8 of at most {SECRET_BYTES_MAX} bytes without zero bytes")


# ---- protobuf's wire format, as far as LeaseSecrets uses it ------------------------------------------
def _varint(value: int) -> bytes:
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)
    return bytes(data)


def _text(field: int, data: bytes, always: bool = False) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(data)) + data if data or always else b""
