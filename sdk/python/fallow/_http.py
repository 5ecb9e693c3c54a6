"""Requests to the market, each carried out once however often it has to be sent.

Changes carry an Idempotency-Key and are sent again, with the same key and the same bytes, when an answer is lost or
the market is busy.
"""
import asyncio
import json
import random
import secrets
import sys
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any, AsyncIterator, Callable, Dict, Hashable, List, Mapping, Optional, Tuple, Type, cast

from . import errors
from ._connection import Connection, Distrusted, Lost, tls_of
from ._routes import ROUTES
from ._sse import EventParser
from ._wire import decode, scalars_of
from ._websocket import Rejected, WebSocket
from .config import Config

ATTEMPTS_MAX = 8
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
RETRY_AFTER_MAX_S = 60.0
ANSWER_S_MAX = 30.0
# The server breaks a stream's silence every 15 seconds.
SILENCE_S_MAX = 45.0
# A stream over which no event has come stands when it is this old.
STANDS_S_MIN = 5.0
CONNECTIONS_MAX = 256
IDLE_MAX = 32
IDLE_S_MAX = 20.0

# Whose id an answer has, when its request names it.
_NAMED_BY = {"OrderView": "order", "LeaseView": "lease", "NodeView": "node", "PayoutView": "payout", "KeyView": "key"}
_CORE = {"id", "state"}
_COME_BACK = {408, 429, 502, 503, 504}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)


def _pause_s(headers: Mapping[str, str], attempt: int) -> float:
    """Seconds until the next attempt: what the server asks for, else doubling with jitter."""
    try:
        return max(0.0, min(float(headers.get("retry-after", "")), RETRY_AFTER_MAX_S))
    except ValueError:
        doubled: float = min(BACKOFF_FIRST_S * 2 ** attempt, BACKOFF_MAX_S)
        return doubled * (0.5 + random.random() / 2)


def _problem(answer: Answer) -> errors.Refused:
    try:
        document = answer.json()
    except ValueError:
        document = None
    return errors.refusal(answer.status, document if isinstance(document, dict) else None)


def _is_of(model: Optional[Type[Any]], answer: Answer, asked_id: Optional[str]) -> bool:
    """An answer holds its message's id and state, and the id that was asked for; and all of its fields, more of a newer
    server, only some of an older one. What a broken line brings in its place, an earlier answer for the second time,
    has some too many and others not."""
    if model is None:
        return True
    try:
        document = answer.json()
    except ValueError:
        return False
    if not isinstance(document, dict):
        return False
    fields = scalars_of(cast(Hashable, model))
    is_of_older = bool(fields & document.keys()) and document.keys() <= model.__dataclass_fields__.keys()
    return (fields & _CORE <= document.keys() and (is_of_older or fields <= document.keys())
            and (asked_id is None or document["id"] == asked_id))


class TooLarge(errors.FallowError):
    """An answer of more bytes than it may have."""

    def __init__(self, size_max: Optional[int]):
        super().__init__(f"the market's answer has more than the {size_max} bytes that it may have here")


Into = Callable[[], Callable[[bytes], Any]]


class Http:
    """One market, one key, kept connections. One event loop at a time."""

    def __init__(self, config: Config):
        self.config = config
        self._tls = tls_of(config)
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._idle: List[Tuple[float, Connection]] = []
        self._slots: asyncio.Semaphore
        self._headers = {"Accept": "application/json"}
        if config.api_key:
            self._headers["Authorization"] = f"Bearer {config.api_key}"
        if config.team:
            self._headers["Fallow-Team"] = config.team

    def _unreachable(self, error: Exception) -> errors.Unreachable:
        return errors.Unreachable(f"no answer from the market at {self.config.url} ({error}): is it running, and is "
                                  "this its address?")

    def _distrusted(self, error: Exception) -> errors.Unreachable:
        return errors.Unreachable(f"the server at {self.config.url} is not to be trusted: {error}")

    async def _connect(self, fresh: bool) -> Connection:
        """`fresh`: one over which nothing was asked before, so that no earlier answer can be late on it."""
        while self._idle and not fresh:
            since, connection = self._idle.pop()
            if time.monotonic() - since < IDLE_S_MAX and connection.is_quiet():
                return connection
            connection.close()
        try:
            return await Connection.open(self.config, self._tls)
        except Distrusted as error:
            raise self._distrusted(error) from None

    def _release(self, connection: Connection) -> None:
        if len(self._idle) < IDLE_MAX and connection.rest():
            self._idle.append((time.monotonic(), connection))
        else:
            connection.close()

    async def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def _slot(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # the first call, or another loop: that of a forked child
            self._loop, self._idle, self._slots = loop, [], asyncio.Semaphore(CONNECTIONS_MAX)
        return self._slots

    async def _ask(self, method: str, target: str, headers: Dict[str, str], content: Optional[bytes],
                   size_max: Optional[int], into: Optional[Into]) -> Answer:
        """One attempt. Lost, TooLarge."""
        async with self._slot():
            connection = await self._connect(fresh=method not in ("GET", "HEAD"))
            try:
                status, found = await connection.send(method, target, headers, content, ANSWER_S_MAX)
                parts: List[bytes] = []
                take = parts.append if into is None or status >= 300 else into()
                left = sys.maxsize if size_max is None or status >= 300 else size_max
                if int(found.get("content-length", 0)) > left:
                    raise TooLarge(size_max)
                while True:
                    part = await connection.read(ANSWER_S_MAX)
                    if not part:
                        break
                    left -= len(part)
                    if left < 0:
                        raise TooLarge(size_max)
                    take(part)
            except BaseException:
                connection.close()
                raise
            self._release(connection)
            return Answer(status, found, b"".join(parts))

    async def send(self, method: str, path: str, *, query: Optional[Mapping[str, str]] = None,
                   content: Optional[bytes] = None, headers: Optional[Mapping[str, str]] = None,
                   accept: Optional[int] = None, fits: Callable[[Answer], bool] = lambda answer: True,
                   size_max: Optional[int] = None, into: Optional[Into] = None) -> Answer:
        """The answer of a success that fits, or of the status `accept`. Refused, Unreachable, TooLarge.

        `size_max`: bytes that the body of a success may have. `into`: makes for each attempt what takes this body piece
        by piece, in place of the answer's content.
        """
        sent = {**self._headers, **(headers or {})}
        if method not in ("GET", "HEAD") and "Idempotency-Key" not in sent:
            sent["Idempotency-Key"] = secrets.token_hex(16)
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        last: Optional[errors.FallowError] = None
        for attempt in range(ATTEMPTS_MAX):
            asked: Mapping[str, str] = {}
            try:
                answer = await self._ask(method, target, sent, content, size_max, into)
                if answer.status == accept:
                    return answer
                if answer.status < 300:
                    if fits(answer):
                        return answer
                    last = self._unreachable(ValueError("what it answers is not the answer to what was asked"))
                else:
                    last, asked = _problem(answer), answer.headers
                    if answer.status not in _COME_BACK:
                        raise last
            except Lost as error:
                last = self._unreachable(error)
            except TooLarge as error:
                last = error  # or it was an earlier answer once more
            if attempt + 1 < ATTEMPTS_MAX:
                await asyncio.sleep(_pause_s(asked, attempt))
        assert last is not None
        raise last

    async def call(self, operation: str, fields: Optional[Mapping[str, Any]] = None,
                   idempotency_key: Optional[str] = None) -> Any:
        """The answer of an operation of the API, by its name there; `fields` are those of the schema in JSON form."""
        route = ROUTES[operation]
        path, query, body = _place(operation, fields or {})
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        content = None
        if route.method in ("POST", "PUT"):
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        named_by = _NAMED_BY.get(route.answer.__name__ if route.answer else "")
        asked_id = str(fields[named_by]) if fields and named_by in route.in_path else None

        def fits(answer: Answer) -> bool:
            return _is_of(route.answer, answer, asked_id)

        response = await self.send(route.method, path, query=query, content=content, headers=headers, fits=fits)
        return decode(route.answer, response.json()) if route.answer is not None else None

    async def websocket(self, path: str) -> WebSocket:
        """Refused, Unreachable. Not one of the counted connections, for it may stay as long as it likes."""
        last: errors.FallowError = errors.Unreachable("")
        for attempt in range(ATTEMPTS_MAX):
            asked: Mapping[str, str] = {}
            try:
                return await WebSocket.open(self.config, self._tls, path, self._headers)
            except Distrusted as error:
                raise self._distrusted(error) from None
            except Lost as error:
                last = self._unreachable(error)
            except Rejected as error:
                last, asked = _problem(Answer(error.status, error.headers, error.content)), error.headers
                if error.status not in _COME_BACK:
                    raise last from None
            if attempt + 1 < ATTEMPTS_MAX:
                await asyncio.sleep(_pause_s(asked, attempt))
        raise last

    async def stream(self, operation: str, fields: Mapping[str, Any]) -> AsyncIterator[Any]:
        """The messages of a stream up to its end, over as many connections as it takes."""
        route = ROUTES[operation]
        path, query, _ = _place(operation, fields)
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        last_id: Optional[str] = None
        attempt = 0
        while True:
            headers = {**self._headers, "Accept": "text/event-stream"}
            if last_id:
                headers["Last-Event-ID"] = last_id
            asked: Mapping[str, str] = {}
            last: errors.FallowError = errors.Unreachable("the stream was cut off")
            connection: Optional[Connection] = None
            try:
                async with self._slot():
                    began = time.monotonic()
                    connection = await self._connect(fresh=True)
                    status, asked = await connection.send("GET", target, headers, None, ANSWER_S_MAX)
                    kind = asked.get("content-type", "an answer without a type").split(";")[0].strip()
                    if status < 300 and kind.lower() != "text/event-stream":
                        raise errors.Unreachable(f"the server at {self.config.url} has sent no stream of events but {kind}: "
                                                 "is this a Fallow market?")
                    parser = EventParser()
                    content = b""
                    while True:
                        data = await connection.read(SILENCE_S_MAX)
                        if not data:
                            break
                        if status >= 300:
                            content += data
                            continue
                        for event in parser.feed(data):
                            if event.name == "end":
                                return
                            document = json.loads(event.data)
                            if event.name == "error":
                                raise errors.refusal(int(document.get("status", 500)), document)
                            last_id = parser.last_id or last_id
                            attempt = 0
                            yield decode(route.answer, document)  # type: ignore[arg-type]
                        last_id = parser.last_id or last_id
                        # It stands: where nothing happens only heartbeats come, which are comments. Where it begins
                        # is said by a server, too, that breaks off at once, every time.
                        if data.startswith(b":") or time.monotonic() - began >= STANDS_S_MIN:
                            attempt = 0
                    if status >= 300:
                        raise _problem(Answer(status, asked, content))
            except Lost as error:
                last = self._unreachable(error)
            except errors.Refused as error:
                if error.status not in _COME_BACK:
                    raise
                last = error
            finally:
                if connection is not None:
                    connection.close()
            attempt += 1
            if attempt >= ATTEMPTS_MAX:
                raise last
            await asyncio.sleep(_pause_s(asked, attempt - 1))


def _place(operation: str, fields: Mapping[str, Any]) -> Tuple[str, Dict[str, str], Dict[str, Any]]:
    """The fields by where the route wants them: (path, query, body)."""
    route = ROUTES[operation]
    path, query, body = route.path, {}, {}
    for name, value in fields.items():
        if name in route.in_path:
            path = path.replace("{" + name + "}", urllib.parse.quote(str(value), safe=""))
        elif name in route.in_query:
            query[name] = str(value).lower() if isinstance(value, bool) else str(value)
        elif name in route.in_body:
            body[name] = value
        else:
            raise TypeError(f"{operation} has no field '{name}'")
    return path, query, body
