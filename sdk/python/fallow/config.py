"""Where the market is and who asks: arguments before environment before the config file, which is the
command line's own: ~/.config/fallow/config.toml."""
import os
import pathlib
import re
from dataclasses import dataclass
from typing import Optional

from .errors import ConfigError

try:
    import tomllib as _toml
except ImportError:  # before Python 3.11
    import tomli as _toml  # type: ignore[import-not-found,no-redef,unused-ignore]

_SETTINGS = ("url", "api_key", "certificate", "team")


@dataclass(frozen=True)
class Config:
    url: str = ""
    """ "https://127.0.0.1:8470" """
    api_key: str = ""
    """May be empty: only public calls work then."""
    certificate: str = ""
    """SHA-256 of the server's certificate in hex: pins it. Empty: the system's authorities decide."""
    team: str = ""
    """Id of the account to act for as a member of it. Empty: the key's own."""

    def __repr__(self) -> str:  # a key is no word for logs
        return (f"Config(url={self.url!r}, api_key={'...' if self.api_key else ''!r}, "
                f"certificate={self.certificate!r}, team={self.team!r})")


def config_path() -> pathlib.Path:
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.environ.get("HOME", ""), ".config")
    return pathlib.Path(folder) / "fallow" / "config.toml"


def load_config(url: Optional[str] = None, api_key: Optional[str] = None,
                certificate: Optional[str] = None) -> Config:
    """The file, then FALLOW_URL, FALLOW_API_KEY, FALLOW_CERTIFICATE and FALLOW_TEAM, then the arguments."""
    values = dict.fromkeys(_SETTINGS, "")
    path = config_path()
    try:
        read = _toml.loads(path.read_text())
    except FileNotFoundError:
        read = {}
    except (_toml.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; correct or delete the file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    for name, value in read.items():
        if name not in _SETTINGS or not isinstance(value, str):
            raise ConfigError(f"{path}: '{name}' is not a setting; known are url, api_key, certificate and team, "
                              "each a string")
        values[name] = value
    for name in _SETTINGS:
        values[name] = os.environ.get(f"FALLOW_{name.upper()}") or values[name]
    for name, given in (("url", url), ("api_key", api_key), ("certificate", certificate)):
        if given is not None:
            values[name] = given
    if not values["url"]:
        raise ConfigError(f"no market is named: set FALLOW_URL, or `url` in {path}; `fallow up --save` starts one "
                          "on this machine")
    if not re.fullmatch(r"https?://[^/?#\s]+/?", values["url"]):
        raise ConfigError(f"the market's URL '{values['url']}' cannot be used; write it like "
                          "https://market.example:8470")
    if values["certificate"] and not re.fullmatch("[0-9a-f]{64}", values["certificate"]):
        raise ConfigError("the certificate to trust is written as 64 hex digits (its SHA-256)")
    return Config(values["url"].rstrip("/"), values["api_key"], values["certificate"], values["team"])
