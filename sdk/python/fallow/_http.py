"""Requests to the market, each carried out once however often it has to be sent.

Changes carry an Idempotency-Key and are sent again, with the same key and the same bytes, when an answer is lost or
the market is busy. Nothing is sent before the server has shown the trusted certificate.
"""
import asyncio
import hashlib
import json
import random
import secrets
import socket
import ssl
import urllib.parse
from typing import Any, AsyncIterator, Dict, Mapping, Optional

import httpx

from . import errors
from ._routes import ROUTES
from ._sse import EventParser
from ._wire import decode
from .config import Config

ATTEMPTS_MAX = 8
BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
RETRY_AFTER_MAX_S = 60.0
CONNECT_S_MAX = 10.0
ANSWER_S_MAX = 30.0
# The server breaks a stream's silence every 15 seconds.
SILENCE_S_MAX = 45.0
CONNECTIONS_MAX = 256

_COME_BACK = {408, 429, 502, 503, 504}
# OpenSSL's names of these have no equal in Python's ssl before 3.10.
_PARTIAL_CHAIN = 0x80000
_NO_CHECK_TIME = 0x200000
# What a lost connection raises; httpx lets some of the TLS layer's errors through as they are.
_LOST = (httpx.TransportError, OSError)


def _is_distrusted(error: Exception) -> bool:
    """Asking again changes nothing: it is not the server that we trust."""
    return isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _pinned_context(config: Config) -> ssl.SSLContext:
    """Trusts one certificate alone: the one whose digest is pinned. The first, empty, connection learns its bytes;
    from then on every handshake has to prove the key that belongs to them."""
    url = urllib.parse.urlsplit(config.url)
    look = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    look.check_hostname = False
    look.verify_mode = ssl.CERT_NONE
    host = url.hostname or ""
    with socket.create_connection((host, url.port or 443), timeout=CONNECT_S_MAX) as plain:
        with look.wrap_socket(plain, server_hostname=host) as tls:
            certificate = tls.getpeercert(binary_form=True) or b""
    if hashlib.sha256(certificate).hexdigest() != config.certificate:
        raise errors.Unreachable(
            f"the server at {config.url} shows another certificate than the trusted one; if it was renewed, ask its "
            "operator for the new fingerprint (FALLOW_CERTIFICATE)")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # the pin says more than a name
    context.verify_flags |= ssl.VerifyFlags(_PARTIAL_CHAIN) | ssl.VerifyFlags(_NO_CHECK_TIME)
    context.load_verify_locations(cadata=certificate)
    return context


def _trust(config: Config) -> Any:
    if not config.url.startswith("https:"):
        return True
    return _pinned_context(config) if config.certificate else ssl.create_default_context()


def _after(response: Optional[httpx.Response], attempt: int) -> float:
    """Seconds until the next attempt: what the server asks for, else doubling with jitter."""
    if response is not None:
        try:
            return min(float(response.headers.get("Retry-After", "")), RETRY_AFTER_MAX_S)
        except ValueError:
            pass
    return min(BACKOFF_FIRST_S * 2 ** attempt, BACKOFF_MAX_S) * (0.5 + random.random() / 2)


def _problem(response: httpx.Response) -> errors.Refused:
    try:
        document = response.json()
    except ValueError:
        document = None
    return errors.refusal(response.status_code, document if isinstance(document, dict) else None)


class Http:
    """One market, one key, kept connections. Belongs to the event loop that uses it first."""

    def __init__(self, config: Config):
        self.config = config
        self._client: Optional[httpx.AsyncClient] = None
        self._opening: Optional["asyncio.Lock"] = None

    async def _open(self) -> httpx.AsyncClient:
        if self._client is not None:
            return self._client
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._client is None:
                try:
                    trust = await asyncio.get_running_loop().run_in_executor(None, _trust, self.config)
                except OSError as error:
                    raise self._unreachable(error) from None
                headers = {"Authorization": f"Bearer {self.config.api_key}"} if self.config.api_key else {}
                self._client = httpx.AsyncClient(
                    base_url=self.config.url, headers=headers, verify=trust, trust_env=False,
                    timeout=httpx.Timeout(ANSWER_S_MAX, connect=CONNECT_S_MAX, pool=None),
                    limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=32,
                                        keepalive_expiry=10))
        return self._client

    def _unreachable(self, error: Exception) -> errors.Unreachable:
        words = str(error) or type(error).__name__
        return errors.Unreachable(f"no answer from the market at {self.config.url} ({words}): is it running, and is "
                                  "this its address?")

    async def close(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def send(self, method: str, path: str, *, query: Optional[Mapping[str, str]] = None,
                   content: Optional[bytes] = None, headers: Optional[Mapping[str, str]] = None,
                   accept: Optional[int] = None) -> httpx.Response:
        """The answer of a success, or of the status `accept`. Refused, Unreachable."""
        sent = dict(headers or {})
        if method not in ("GET", "HEAD") and "Idempotency-Key" not in sent:
            sent["Idempotency-Key"] = secrets.token_hex(16)
        last: Optional[errors.FallowError] = None
        for attempt in range(ATTEMPTS_MAX):
            client = await self._open()
            response: Optional[httpx.Response] = None
            try:
                response = await client.request(method, path, params=query or None, content=content, headers=sent)
            except _LOST as error:
                last = self._unreachable(error)
                if _is_distrusted(error):
                    raise last from None
            if response is not None:
                if response.status_code < 300 or response.status_code == accept:
                    return response
                last = _problem(response)
                if response.status_code not in _COME_BACK:
                    raise last
            if attempt + 1 < ATTEMPTS_MAX:
                await asyncio.sleep(_after(response, attempt))
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
        response = await self.send(route.method, path, query=query, content=content, headers=headers)
        return decode(route.answer, response.json()) if route.answer is not None else None

    async def stream(self, operation: str, fields: Mapping[str, Any]) -> AsyncIterator[Any]:
        """The messages of a stream up to its end, over as many connections as it takes."""
        route = ROUTES[operation]
        path, query, _ = _place(operation, fields)
        last_id: Optional[str] = None
        attempt = 0
        while True:
            client = await self._open()
            headers = {"Accept": "text/event-stream"}
            if last_id:
                headers["Last-Event-ID"] = last_id
            response: Optional[httpx.Response] = None
            last: Any
            try:
                async with client.stream("GET", path, params=query or None, headers=headers,
                                         timeout=httpx.Timeout(SILENCE_S_MAX, connect=CONNECT_S_MAX,
                                                               pool=None)) as response:
                    if response.status_code >= 300:
                        await response.aread()
                        last = _problem(response)
                        if response.status_code not in _COME_BACK:
                            raise last
                    else:
                        parser = EventParser()
                        last = errors.Unreachable("the stream was cut off")
                        async for data in response.aiter_bytes():
                            for event in parser.feed(data):
                                if event.name == "end":
                                    return
                                document = json.loads(event.data)
                                if event.name == "error":
                                    last = errors.refusal(int(document.get("status", 500)), document)
                                    if last.status not in _COME_BACK:
                                        raise last
                                    break
                                attempt = 0
                                if event.id:
                                    last_id = event.id
                                yield decode(route.answer, document)  # type: ignore[arg-type]
            except _LOST as error:
                last = self._unreachable(error)
                if _is_distrusted(error):
                    raise last from None
            attempt += 1
            if attempt >= ATTEMPTS_MAX:
                raise last
            await asyncio.sleep(_after(response, attempt - 1))


def _place(operation: str, fields: Mapping[str, Any]) -> "tuple[str, Dict[str, str], Dict[str, Any]]":
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
