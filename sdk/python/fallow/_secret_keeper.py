"""Hands a job's secrets to the nodes of its leases, each sealed for the agent that asked.

The market is asked every second which leases wait, for as long as a task may start: also again, when one moves. It passes
on what it cannot read, unless it lies about a node's key: docs/secrets.md says what that means.
"""
import asyncio
import base64
import warnings
from typing import TYPE_CHECKING, List

from . import _loop, _secrets, models
from .errors import FallowError, NotAllowed, Refused, SecretFailed, Unreachable
from .receipts import is_signed

if TYPE_CHECKING:
    from .aio import AsyncClient

# The first start comes soon, and batches of a map are short.
_ASK_FIRST_S = 0.1
_ASK_S = 1.0
_ANSWERS_AT_ONCE = 16


def sealed_for(ask: models.SecretAskView, secrets: _secrets.Secrets) -> bytes:
    """For nobody but the agent of the node that signed the ask. SecretFailed: no node has signed it."""
    nacl = _secrets.import_nacl()
    try:
        public_key = bytes.fromhex(ask.public_key)
        asked = b"fallow secret ask v1" + ask.lease.to_bytes(8, "little") + public_key
        if is_signed(bytes.fromhex(ask.node_key), asked, bytes.fromhex(ask.signature)):
            box = nacl.public.SealedBox(nacl.public.PublicKey(public_key))
            return bytes(box.encrypt(secrets.for_lease(ask.lease)))
    except (ValueError, OverflowError, nacl.exceptions.CryptoError):
        pass
    raise SecretFailed(f"node {ask.node} asks for the secrets of lease {ask.lease} with a key that it has not signed: nothing "
                       "is handed over; stop the job, and tell the market's operator")


class SecretKeeper:
    """Of one order. `handed` are the asks that were answered, each with the `node_key` that it was signed with."""

    def __init__(self, client: "AsyncClient", order: int, secrets: _secrets.Secrets):
        self._client = client
        self._order = order
        self._secrets = secrets
        self.handed: List[models.SecretAskView] = []

    async def keep(self) -> None:
        """Until the order has ended. SecretFailed, or what the market says; one that is away is asked again."""
        pause_s = _ASK_FIRST_S
        while True:
            try:
                await self.answer_once()
                view = await self._client.call("GetOrder", order=self._order)
                if view.state != models.OrderState.OPEN:
                    return
            except Unreachable:
                pass
            except Refused as error:
                if error.status != 429 and error.status < 500:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _ASK_S)

    async def answer_once(self) -> None:
        """Answers who asks now."""
        asks = (await self._client.call("ListSecretAsks", order=self._order)).asks
        for at in range(0, len(asks), _ANSWERS_AT_ONCE):
            await asyncio.gather(*(self._answer(ask) for ask in asks[at:at + _ANSWERS_AT_ONCE]))

    async def _answer(self, ask: models.SecretAskView) -> None:
        sealed = base64.b64encode(sealed_for(ask, self._secrets)).decode()
        try:
            await self._client.call("DeliverSecrets", lease=ask.lease, sealed=sealed)
        except NotAllowed:
            raise
        except (Unreachable, Refused):
            return  # somebody was quicker, or the node or its lease is gone: it asks again, or nobody does
        self.handed.append(ask)


class SecretKeeping:
    """A SecretKeeper at work beside its program, until the order's end or end(). What goes wrong is a warning."""

    def __init__(self, keeper: SecretKeeper, order: int):
        self._keeper = keeper
        self._order = order
        self._is_over = False
        self._task = asyncio.ensure_future(self._keep())
        self._task.add_done_callback(lambda _: _loop.closed(self))
        _loop.opened(self)

    async def _keep(self) -> None:
        try:
            await self._keeper.keep()
        except asyncio.CancelledError:
            if not self._is_over:
                self._warn("nobody hands over the secrets of its tasks any more: where one may still start or move, "
                           f"deliver_secrets({self._order}) or `fallow secrets {self._order}` does")
            raise
        except FallowError as error:
            self._warn(f"its secrets are not handed over any more: {error}")

    def _warn(self, what: str) -> None:
        warnings.warn(f"job {self._order}: {what}", RuntimeWarning, stacklevel=2)

    @property
    def is_done(self) -> bool:
        return self._task.done()

    def end(self) -> None:
        """Nothing of the order will start any more."""
        self._is_over = True
        self._task.cancel()

    async def aclose(self) -> None:
        if self._task.get_loop() is asyncio.get_running_loop():  # else it is of a loop that has ended, or before a fork
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def wanted_by(order: models.OrderView, secrets: _secrets.SecretSources, image_user: str,
              image_password: str) -> _secrets.Secrets:
    """What the order names and nobody gave a source for is the variable of its name. What it does not name, its nodes are
    not told. SecretFailed, TypeError, ValueError."""
    given, wanted = _secrets.sources(secrets), order.workload.secrets if order.workload else []
    for name in given:
        if name not in wanted:
            raise ValueError(f"job {order.id} has no secret of the name {name}; it names {', '.join(wanted) or 'none'}")
    has_login = order.workload is not None and order.workload.image_login
    if has_login and not image_user:
        raise ValueError(f"job {order.id} logs in to its image's registry: say as whom, with image_user")
    return _secrets.read({name: given.get(name, f"env:{name}") for name in wanted}, image_user if has_login else "",
                         image_password)
