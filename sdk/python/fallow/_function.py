"""@fallow.function: calls that run on the market."""
import functools
import weakref
from decimal import Decimal
from types import ModuleType
from typing import (TYPE_CHECKING, Any, Callable, Dict, Generic, Iterable, Iterator, List, Mapping,
                    Optional, TypeVar, Union)

from . import _loop
from ._map import Map, Settings, count_of
from ._package import package_function
from ._secrets import SecretSources, read, sources
from .aio import AsyncClient
from .client import Client
from .money import Amount
from .requirements import Requirements, starts_gangs, wishes

if TYPE_CHECKING:
    from typing_extensions import Unpack

Value = TypeVar("Value")


class AsyncResults(Generic[Value]):
    """The results of a map, for `async for`. `charged`, `rescued` and `failed` are those so far."""

    def __init__(self, run: Map, return_exceptions: bool):
        self._run = run
        self._return_exceptions = return_exceptions
        # Who breaks out of a loop over them lets go of them, and pays for no more. At the end of the program _loop sees
        # to that, or whose loop it is.
        weakref.finalize(self, run.abandon).atexit = False

    def __aiter__(self) -> "AsyncResults[Value]":
        return self

    async def __anext__(self) -> Value:
        _, value, error = await self._run.__anext__()
        if error is not None and not self._return_exceptions:
            await self.aclose()
            raise error
        return error if error is not None else value  # type: ignore[return-value]

    async def aclose(self) -> None:
        """Stops what is under way."""
        await self._run.aclose()

    @property
    def charged(self) -> Decimal:
        return self._run.charged

    @property
    def rescued(self) -> int:
        """Tasks that the market moved to another node."""
        return self._run.rescued

    @property
    def failed(self) -> int:
        """Inputs without a value."""
        return self._run.failed

    @property
    def orders(self) -> List[int]:
        return self._run.orders


class Results(Generic[Value]):
    """The results of a map, for `for`. `charged`, `rescued` and `failed` are those so far."""

    def __init__(self, results: AsyncResults[Value]):
        self.aio = results

    def __iter__(self) -> "Results[Value]":
        return self

    def __next__(self) -> Value:
        try:
            return _loop.run(_next(self.aio))
        except StopAsyncIteration:
            raise StopIteration from None
        except KeyboardInterrupt:
            self.close()
            raise

    def __enter__(self) -> "Results[Value]":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stops what is under way."""
        _loop.run(self.aio.aclose())

    @property
    def charged(self) -> Decimal:
        return self.aio.charged

    @property
    def rescued(self) -> int:
        return self.aio.rescued

    @property
    def failed(self) -> int:
        return self.aio.failed

    @property
    def orders(self) -> List[int]:
        return self.aio.orders


async def _next(results: AsyncResults[Value]) -> Value:
    return await results.__anext__()


class AsyncFunction(Generic[Value]):
    """Function for programs that `await`."""

    def __init__(self, function: "Function[Value]"):
        self._function = function

    async def remote(self, *arguments: Any, **keywords: Any) -> Value:
        call = self._function._map(iter([arguments]), 1, keywords=keywords)
        results: AsyncResults[Value] = AsyncResults(call, return_exceptions=False)
        try:
            return await results.__anext__()
        finally:
            await results.aclose()

    def map(self, *inputs: Iterable[Any], ordered: bool = True, return_exceptions: bool = False,
            in_flight: Optional[int] = None, logs: Optional[bool] = None,
            progress: Optional[bool] = None) -> AsyncResults[Value]:
        sizes = [count_of(each) for each in inputs]
        count = None if any(size is None for size in sizes) else min(size for size in sizes if size is not None)
        run = self._function._map(zip(*inputs), count, ordered=ordered, in_flight=in_flight, logs=logs,
                                  progress=progress)
        return AsyncResults(run, return_exceptions)


class Function(Generic[Value]):
    """A function that can be called here, as ever, and on the market: remote(), map()."""

    def __init__(self, function: Callable[..., Value], query: str, requirements: Mapping[str, Any],
                 options: Mapping[str, Any], client: Union[Client, AsyncClient, None]):
        functools.update_wrapper(self, function)
        if starts_gangs(wishes(query, 1, requirements)):  # what else is wrong with them is said there
            raise TypeError("a function's calls run each for itself; several nodes at once are a job: submit(nodes=...)")
        self._local = function
        self._query = query
        self._requirements = dict(requirements)
        self._options = dict(options)
        self._client = client
        self._archive: Optional[bytes] = None

    def __call__(self, *arguments: Any, **keywords: Any) -> Value:
        return self._local(*arguments, **keywords)

    def __reduce__(self) -> Any:
        # On a node it is the plain function again: what it calls there runs there.
        return (_itself, (self._local,))

    @property
    def aio(self) -> AsyncFunction[Value]:
        return AsyncFunction(self)

    def remote(self, *arguments: Any, **keywords: Any) -> Value:
        """Its value from a node. RemoteError when it raises there."""
        return _loop.run(self.aio.remote(*arguments, **keywords))

    def map(self, *inputs: Iterable[Any], ordered: bool = True, return_exceptions: bool = False,
            in_flight: Optional[int] = None, logs: Optional[bool] = None,
            progress: Optional[bool] = None) -> Results[Value]:
        """Its values for each of the inputs (several iterables: as the built-in map), streamed in their order or,
        with ordered=False, as they come.

        `in_flight`: tasks at once; the default is what the market has free, 64 at most. `return_exceptions`: give
        errors out in place of values instead of ending with the first. `logs`: show what the function prints; like
        `progress` by default in a terminal or notebook only.
        """
        return Results(self.aio.map(*inputs, ordered=ordered, return_exceptions=return_exceptions,
                                    in_flight=in_flight, logs=logs, progress=progress))

    def with_options(self, **changes: Any) -> "Function[Value]":
        """The same function with other requirements or options."""
        names = set(Requirements.__annotations__)
        requirements = {**self._requirements, **{key: value for key, value in changes.items() if key in names}}
        rest = {key: value for key, value in changes.items() if key not in names and key not in ("gpu", "client")}
        for key in rest:
            if key not in self._options:
                raise TypeError(f"'{key}' is no option of a function")
        return Function(self._local, changes.get("gpu", self._query), requirements, {**self._options, **rest},
                        changes.get("client", self._client))

    def _map(self, source: Iterator[Any], count: Optional[int], *, keywords: Optional[Dict[str, Any]] = None,
             ordered: bool = False, in_flight: Optional[int] = None, logs: Optional[bool] = None,
             progress: Optional[bool] = None) -> Map:
        client = self._client
        if client is None:
            from . import default_client

            client = default_client()
        options = self._options
        function = functools.partial(self._local, **keywords) if keywords else self._local
        if keywords or self._archive is None:
            archive = package_function(function, options["modules"], options["results"])
            if not keywords:
                self._archive = archive
        else:
            archive = self._archive
        settings = Settings(
            query=self._query, requirements=self._requirements, name=getattr(self, "__name__", "function"),
            archive=archive, env=dict(options["env"] or {}), budget=options["budget"], project=options["project"],
            trusts_pickles=options["results"] == "pickle", retries=options["retries"],
            in_flight=in_flight or options["in_flight"] or (1 if count == 1 else None), batch=options["batch"],
            python=options["python"], secrets=read(options["secrets"]))
        return Map(client.aio if isinstance(client, Client) else client, settings, source, count, ordered, logs,
                   progress)


def _itself(function: Callable[..., Value]) -> Callable[..., Value]:
    return function


def function(gpu: str = "", *, results: str = "plain", modules: Iterable[Union[str, ModuleType]] = (),
             env: Optional[Mapping[str, str]] = None, secrets: SecretSources = (), budget: Optional[Amount] = None,
             project: str = "", retries: int = 2, in_flight: Optional[int] = None, batch: Optional[int] = None,
             python: str = "", client: Union[Client, AsyncClient, None] = None,
             **requirements: "Unpack[Requirements]") -> Callable[[Callable[..., Value]], Function[Value]]:
    """Makes a function callable on the market.

        @fallow.function(gpu="gpu_ram>=24", max_price="0.40")
        def square(x): ...

    `gpu` is a query (docs/query.md), the requirements are those of a quote, for each task: `hours` is the most that
    one batch of inputs may run. `results`: "plain" values, or "pickle" for any object, for which every node must be
    trusted, as reading a pickle runs what it says. `modules`: of yours, to send along. `secrets`: as of submit(), read at
    each call. `budget`: the most that one batch may cost; `project`: whose budget it counts for, too. `retries`: of an
    input when neither it nor you are to blame. `batch`: inputs per task; by default it follows from how long they take.
    `python`: the interpreter on the node.
    """
    if results not in ("plain", "pickle"):
        raise ValueError('results are "plain" or "pickle"')
    options = {"results": results, "modules": tuple(modules), "env": env, "budget": budget, "project": project,
               "retries": retries, "in_flight": in_flight, "batch": batch, "python": python,
               "secrets": sources(secrets)}

    def decorate(wrapped: Callable[..., Value]) -> Function[Value]:
        return Function(wrapped, gpu, requirements, options, client)

    return decorate
