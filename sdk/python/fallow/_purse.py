"""The money that the orders of one run share."""
import asyncio
from typing import Any, Callable, Coroutine, Optional, TypeVar

from .errors import NoFunds

T = TypeVar("T")


class Purse:
    """Who is refused for want of money waits until another order of the run gives some back.

    A refusal says how things stood when it was written: by the time that it arrives the money may be there again, and an
    order that was placed meanwhile may not have been heard of yet.
    """

    def __init__(self) -> None:
        self._holding = 0  # orders that stand
        self._asking = 0  # of which it is not known yet
        self._given_back = 0  # how often an order came to its end
        self._moved: Optional[asyncio.Event] = None  # set at the next change of these, and then another one

    async def ask(self, submit: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Places an order; give_back() when it is over. NoFunds when no order of this run can be waited for."""
        while True:
            before = self._given_back
            self._asking += 1
            try:
                placed = await submit()
                self._holding += 1
                return placed
            except NoFunds:
                refusal_stands = self._given_back == before
                if refusal_stands and self._holding == 0 and self._asking == 1:
                    raise
            finally:
                self._asking -= 1
                self._move()
            while self._given_back == before:
                if self._holding == 0 and self._asking == 0:
                    break  # those that were waited for have got nothing either: once more, alone
                await self._next_move()

    def give_back(self) -> None:
        self._holding -= 1
        self._given_back += 1
        self._move()

    def _move(self) -> None:
        if self._moved is not None:
            self._moved.set()
            self._moved = None

    async def _next_move(self) -> None:
        if self._moved is None:
            self._moved = asyncio.Event()
        await self._moved.wait()
