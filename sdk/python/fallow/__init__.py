"""Fallow: rent GPUs on an open market from Python.

    import fallow

    fallow.offers("gpu_ram>=24")                      # what is there, at what price
    fallow.run("gpu_ram>=24", ["nvidia-smi"])         # quote, order, follow, bill

    @fallow.function(gpu="gpu_ram>=24", max_price="0.40")
    def square(x):
        return x * x

    list(square.map(range(1000)))

Functions of this module use one Client made of the configuration that the command line uses
(~/.config/fallow/config.toml, FALLOW_URL, FALLOW_API_KEY, FALLOW_CERTIFICATE).
"""
import importlib as _importlib
import threading as _threading
from typing import TYPE_CHECKING, Any, List, Optional, Sequence

if TYPE_CHECKING:
    from . import artifacts, checkpoint, errors, models
    from ._function import Function, function
    from ._job import AsyncJob
    from .aio import AsyncClient
    from .artifacts import PathLike
    from ._box import Box, Reach
    from .client import Client, Job
    from .config import Config, load_config
    from .errors import (CommandFailed, ConfigError, FallowError, InputLost, JobFailed, NoFunds, NoMatch, NotAllowed,
                         NotFound, QuoteGone, ReachFailed, ReceiptInvalid, Refused, RemoteError, RentalOver, SecretFailed,
                         Unreachable, ValueRefused, WayLost)
    from ._reach import AsyncReach
    from .receipts import Bill, verify_receipt
    from ._rental import AsyncBox

__version__ = "0.1.0"

# Loaded when they are first asked for: on a node `import fallow.checkpoint` works without what a client needs.
_WHERE = {
    "AsyncBox": "_rental", "AsyncClient": "aio", "AsyncJob": "_job", "AsyncReach": "_reach", "Bill": "receipts", "Box": "_box",
    "Client": "client", "CommandFailed": "errors", "Config": "config", "ConfigError": "errors", "FallowError": "errors",
    "Function": "_function", "InputLost": "errors", "Job": "client", "JobFailed": "errors", "NoFunds": "errors",
    "NoMatch": "errors", "NotAllowed": "errors", "NotFound": "errors", "QuoteGone": "errors", "Reach": "_box",
    "ReachFailed": "errors", "ReceiptInvalid": "errors", "Refused": "errors", "RemoteError": "errors",
    "RentalOver": "errors", "SecretFailed": "errors", "Unreachable": "errors", "ValueRefused": "errors", "WayLost": "errors",
    "function": "_function", "load_config": "config", "verify_receipt": "receipts",
}
_MODULES = ("artifacts", "checkpoint", "errors", "models")
__all__ = [*_WHERE, *_MODULES, "default_client", "deliver_secrets", "job", "jobs", "leases", "market", "offers",
           "quote", "reach", "receipt", "rent", "run", "set_default_client", "submit", "wallet"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return _importlib.import_module(f".{name}", __name__)
    if name not in _WHERE:
        raise AttributeError(f"module 'fallow' has no attribute '{name}'")
    value = globals()[name] = getattr(_importlib.import_module(f".{_WHERE[name]}", __name__), name)
    return value


_lock = _threading.Lock()
_default: "Optional[Client]" = None


def default_client() -> "Client":
    """The client of this module's functions; made on first use."""
    global _default
    from .client import Client

    with _lock:
        if _default is None:
            _default = Client()
        return _default


def set_default_client(client: "Optional[Client]") -> None:
    """Another market or key for this module's functions; None: of the configuration as it then is."""
    global _default
    with _lock:
        _default = client


def market() -> "models.MarketView":
    return default_client().market()


def offers(query: str = "", *, order: str = "") -> "List[models.OfferView]":
    """Offers that meet the query (docs/query.md)."""
    return default_client().offers(query, order=order)


def quote(query: str = "", *, tasks: int = 0, **requirements: Any) -> "models.QuoteView":
    """A firm, all-in price."""
    return default_client().quote(query, tasks=tasks, **requirements)


def submit(query: str, command: Sequence[str], **options: Any) -> "Job":
    """Starts a job and returns at once; Client.submit has the options."""
    return default_client().submit(query, command, **options)


def run(query: str, command: Sequence[str], *, output: "Optional[PathLike]" = None, logs: Optional[bool] = None,
        **options: Any) -> "Job":
    """Runs a job to its end; Client.submit has the options. JobFailed."""
    return default_client().run(query, command, output=output, logs=logs, **options)


def rent(query: str = "", **options: Any) -> "Box":
    """`with fallow.rent(...) as box:` a machine to work on; Client.rent has the options."""
    return default_client().rent(query, **options)


def deliver_secrets(order: int, secrets: Any = (), **options: Any) -> "List[models.SecretAskView]":
    """Hands over the secrets of a job that was submitted elsewhere, until it has ended; Client.deliver_secrets has the
    options."""
    return default_client().deliver_secrets(order, secrets, **options)


def reach(lease: int) -> "Reach":
    """The way into a running lease of yours: commands, files, ports."""
    return default_client().reach(lease)


def job(order: int) -> "Job":
    return default_client().job(order)


def jobs(*, open_only: bool = False) -> "List[Job]":
    return default_client().jobs(open_only=open_only)


def leases(*, order: int = 0, open_only: bool = False) -> "List[models.LeaseView]":
    return default_client().leases(order=order, open_only=open_only)


def receipt(lease: int) -> "models.Receipt":
    """The signed bill of an ended lease."""
    return default_client().receipt(lease)


def wallet() -> "models.WalletView":
    return default_client().wallet()
