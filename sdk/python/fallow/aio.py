"""The market for programs that `await`: everything the SDK does, written once. client.py is the same without."""
import asyncio
import os
import sys
from secrets import token_hex
from typing import (TYPE_CHECKING, Any, AsyncIterator, Awaitable, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple,
                    Union)

from . import _progress, _secrets, models
from ._http import Http
from ._job import AsyncJob, submitted
from ._matrix import Matrix, combinations_of, swept
from ._reach import AsyncReach
from ._rental import AsyncBox
from ._secret_keeper import SecretKeeper, SecretKeeping, wanted_by
from ._secrets import IMAGE_PASSWORD, SecretSources
from .artifacts import PathLike, Store, order_with
from .config import Config, load_config
from .errors import NoMatch, QuoteGone, Unreachable
from .money import Amount, format_amount
from .receipts import Bill, verify_receipt
from .requirements import Number, Requirements, starts_gangs, wishes

if TYPE_CHECKING:
    from typing_extensions import Unpack

_PAGE = 1000
_RESTART_MINUTES = 5.0
_OF_SECRETS = ("secrets", "image_user", "image_password")


class AsyncClient:
    """One market and one key. Use it on one event loop; `async with` closes its connections."""

    def __init__(self, config: Optional[Config] = None, *, url: Optional[str] = None, api_key: Optional[str] = None,
                 certificate: Optional[str] = None):
        """Without a Config: the config file, FALLOW_URL, FALLOW_API_KEY, FALLOW_CERTIFICATE, then the arguments."""
        self.config = config or load_config(url, api_key, certificate)
        self._http = Http(self.config)
        self.store = Store(self._http)
        self._keepings: Set[SecretKeeping] = set()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Nobody hands over its jobs' secrets any more, either."""
        for keeping in list(self._keepings):
            await keeping.aclose()
        await self._http.close()

    async def call(self, operation: str, *, idempotency_key: Optional[str] = None, **fields: Any) -> Any:
        """Any operation of docs/openapi.json by its operationId, with the fields of its request in JSON form."""
        return await self._http.call(operation, fields, idempotency_key)

    # ---- what there is, and what it costs ---------------------------------------------------------
    async def market(self) -> models.MarketView:
        return await self.call("GetMarket")  # type: ignore[no-any-return]

    async def offers(self, query: str = "", *, order: str = "") -> List[models.OfferView]:
        """Offers that meet the query, also those without a free device (`available` says which)."""
        return [offer async for offer in self._pages("ListOffers", "offers", query=query, order=order)]

    async def prices(self, model: str, region: str = "", *, count: int = 100) -> List[models.PriceView]:
        """The newest intervals of the price index of a class of device."""
        fields: Dict[str, Any] = {"model": model, "region": region, "page_size": count}
        return list((await self._http.call("ListPrices", _set(fields))).prices)

    async def quote(self, query: str = "", *, tasks: int = 0,
                    **requirements: "Unpack[Requirements]") -> models.QuoteView:
        """A firm, all-in price; `submit(..., quote=it)` takes it while it lasts. `tasks`: a multiple of `nodes`; 0 is as
        many. Of `any_of` the cheapest in all of which a task can start now, else the cheapest that waits; its
        `requirements` say which that is."""
        return await self._best_quote(wishes(query, tasks, requirements))

    # ---- jobs -------------------------------------------------------------------------------------
    async def submit(self, query: str, command: Sequence[str], *, tasks: int = 0,
                     quote: Union[models.QuoteView, str, None] = None, name: str = "", image: str = "",
                     input: Union[PathLike, None] = None, inputs: Optional[Mapping[str, PathLike]] = None,
                     input_manifest: str = "", output: bool = False, matrix: Optional[Matrix] = None,
                     env: Optional[Mapping[str, str]] = None, secrets: SecretSources = (), image_user: str = "",
                     image_password: str = IMAGE_PASSWORD, budget: Optional[Amount] = None, project: str = "",
                     deadline_hours: Optional[Number] = None, restart_minutes: Optional[Number] = None,
                     attempts: int = 0, checkpoint_seconds: int = 0, no_restart: bool = False, no_wait: bool = False,
                     idempotency_key: Optional[str] = None,
                     **requirements: "Unpack[Requirements]") -> AsyncJob:
        """Starts a job and returns at once.

        `input`: a folder that each task finds as its working folder; `inputs`: more, {path in it: folder or file}.
        `matrix`: in place of `tasks`, {name: [values]}: a task for each combination, with its own in its environment;
        the last name changes first. `output`: keep what tasks write to $FALLOW_OUT.
        `attempts`: of one task over all nodes, 0 is the market's. `checkpoint_seconds`: from one saving of a task's
        checkpoints to the next, 0 is the node's. `no_restart`: a task that ran is not placed again.
        `budget`: the most that all of it may cost; `project`: whose budget it counts for, too. `deadline_hours`: from now until every task shall be done; the market then
        chooses spot or on demand; `restart_minutes` is what a start takes until new work is done, 5. With `quote`, query,
        requirements and the number of tasks are the quote's. The same `idempotency_key` never makes a second job; with
        `any_of` it goes with a quote.

        `secrets`: names of environment variables that only the task's node learns, or {name: "env:VARIABLE" or
        "file:PATH"}; `image_user`: whom to log in to the image's registry as, with `image_password`, such a source, too.
        They are handed over as long as this client is open and its program runs; then deliver_secrets() does it.
        """
        _check_command(command)
        if matrix and tasks:
            raise TypeError("a matrix says how many tasks there are: leave `tasks` out")
        combinations = combinations_of(matrix) if matrix else 0
        _check_count(quote, tasks, combinations)
        _check_key(idempotency_key, quote, requirements)
        kept = _secrets.read(secrets, image_user, image_password)
        words = [os.fspath(word) for word in command]
        workload: Dict[str, Any] = {"command": swept(matrix, words) if matrix else words, "collect_output": output}
        if image:
            workload["image"] = image
        if env:
            workload["environment"] = [{"name": key, "value": value} for key, value in env.items()]
        if checkpoint_seconds:
            workload["checkpoint_seconds"] = checkpoint_seconds
        if no_restart:
            workload["no_restart"] = True
        if kept.names:
            workload["secrets"] = kept.names
        if kept.image_user:
            workload["image_login"] = True
        fields: Dict[str, Any] = {"workload": workload, "name": name or os.path.basename(command[0]),
                                  "attempts_max": attempts, "no_wait": no_wait}
        if budget is not None:
            fields["budget"] = format_amount(budget)
        if project:
            fields["project"] = project
        fields.update(_deadline(deadline_hours, restart_minutes, requirements))
        if quote is not None:
            fields["quote"] = quote if isinstance(quote, str) else quote.id
        requests = wishes(query, tasks, requirements, combinations)
        if quote is None and "any_of" not in requirements:
            (fields["requirements"],) = requests
        key = idempotency_key or token_hex(16)

        async def order(manifest: str) -> AsyncJob:
            fields["input_manifest"] = manifest
            if quote is None and "any_of" in requirements:  # it may not last as long as an upload
                fields["quote"] = (await self._best_quote(requests, images=bool(image))).id
            view = await self._http.call("CreateOrder", _set(fields), key)
            return AsyncJob(self, view, self._keep(view.id, kept) if kept else None)

        upload = self._upload_of(input, inputs)
        return await order(input_manifest) if upload is None else await order_with(upload, order)

    async def run(self, query: str, command: Sequence[str], *, output: Optional[PathLike] = None,
                  logs: Optional[bool] = None, **options: Any) -> AsyncJob:
        """submit(), then its output as it comes and its progress (in a terminal or notebook, or with logs=True),
        to the end; `output` is a folder for what tasks wrote. Cancelled, it stops the job. JobFailed."""
        _check_command(command)
        options["secrets"] = _secrets.read(**{name: options.pop(name) for name in _OF_SECRETS if name in options})
        upload = self._upload_of(options.pop("input", None), options.pop("inputs", None))

        def order(manifest: str) -> Awaitable[AsyncJob]:
            return submitted(self.submit(query, command, output=output is not None,
                                         **{**options, "input_manifest": manifest}))

        if upload is None:
            job = await order(options.get("input_manifest", ""))
        else:
            # Not within submitted(), which waits when it is cancelled: before the files are there no order can stand.
            job = await order_with(upload, order)
        try:
            if _progress.wanted(sys.stderr) if logs is None else logs:
                await job.show()
            await job.wait()
            if output is not None:
                await job.download(output)
        except (asyncio.CancelledError, KeyboardInterrupt):
            await asyncio.shield(job.stop())
            raise
        except Unreachable as error:
            raise Unreachable(f"job {job.id} was placed and not stopped, fallow.job({job.id}) finds it again later: "
                              f"{error}") from error
        return job.check()

    async def job(self, order: int) -> AsyncJob:
        return AsyncJob(self, await self.call("GetOrder", order=order))

    async def jobs(self, *, open_only: bool = False) -> List[AsyncJob]:
        """Newest first."""
        return [AsyncJob(self, order) async for order in self._pages("ListOrders", "orders", open_only=open_only)]

    async def tasks(self, order: int) -> List[models.TaskView]:
        """All tasks of an order, by their numbers."""
        return [task async for task in self._pages("ListTasks", "tasks", order=order)]

    async def deliver_secrets(self, order: int, secrets: SecretSources = (), *, image_user: str = "",
                              image_password: str = IMAGE_PASSWORD) -> List[models.SecretAskView]:
        """Hands over the secrets of a job that was submitted elsewhere, or by a program that has ended, until the job
        has. Names without a source are environment variables. Gives what it has answered: each lease, with the
        `node_key` that it was sealed for."""
        view = await self.call("GetOrder", order=order)
        keeper = SecretKeeper(self, order, wanted_by(view, secrets, image_user, image_password))
        await keeper.keep()
        return keeper.handed

    # ---- machines to work on --------------------------------------------------------------------
    def rent(self, query: str = "", *, unattended_minutes: Optional[Number] = 10, timeout_s: Optional[float] = 600.0,
             quote: Union[models.QuoteView, str, None] = None, name: str = "rental", image: str = "",
             input: Union[PathLike, None] = None, env: Optional[Mapping[str, str]] = None, secrets: SecretSources = (),
             image_user: str = "", image_password: str = IMAGE_PASSWORD, budget: Optional[Amount] = None, project: str = "",
             no_wait: bool = False, idempotency_key: Optional[str] = None,
             **requirements: "Unpack[Requirements]") -> AsyncBox:
        """A machine to work on, from the beginning of `async with client.rent(...) as box` to its end, or from `await
        box.open()` to `await box.aclose()`.

        It costs at most `budget`, else what `hours` (1) cost, and ends by itself when they are over, and when this
        program has not been heard of for `unattended_minutes`; None: not for that. `timeout_s`: the most to wait until it
        runs. The rest is as of submit().
        """
        requests = wishes(query, 0, requirements)  # what is wrong with them is said here
        if starts_gangs(requests):
            raise TypeError("a rental is one machine; rent several, or submit(nodes=...) and reach() each of its leases")
        _check_count(quote, 1, 0)
        _check_key(idempotency_key, quote, requirements)
        kept = _secrets.read(secrets, image_user, image_password)
        key = idempotency_key or token_hex(16)
        taken = quote

        async def order(command: Sequence[str], manifest: str) -> AsyncJob:
            nonlocal taken
            if taken is None and "any_of" in requirements:
                taken = await self._best_quote(requests, images=bool(image))
            try:
                return await submitted(self.submit(
                    query, command, quote=taken, name=name, image=image, input_manifest=manifest, env=env, secrets=kept,
                    budget=budget, project=project, no_restart=True, no_wait=no_wait, idempotency_key=key,
                    **requirements))
            except QuoteGone:
                taken = quote  # nothing was made of it under the key: the next try may choose anew
                raise

        async def place(command: Sequence[str]) -> AsyncJob:
            upload = self._upload_of(input, None)
            if upload is None:
                return await order(command, "")
            # Before the quote, which may not last as long, and which a second try must find the same.
            return await order_with(upload, lambda manifest: order(command, manifest))

        return AsyncBox(self, place, unattended_minutes, timeout_s)

    def reach(self, lease: int) -> AsyncReach:
        """The way into a running lease of yours: commands, files, ports."""
        return AsyncReach(self, lease)

    # ---- leases, bills, money ---------------------------------------------------------------------
    async def leases(self, *, order: int = 0, open_only: bool = False) -> List[models.LeaseView]:
        return [lease async for lease in self._pages("ListLeases", "leases", order=order, open_only=open_only)]

    async def lease(self, lease: int) -> models.LeaseView:
        return await self.call("GetLease", lease=lease)  # type: ignore[no-any-return]

    async def stop_lease(self, lease: int) -> models.LeaseView:
        return await self.call("StopLease", lease=lease)  # type: ignore[no-any-return]

    async def receipt(self, lease: int) -> models.Receipt:
        """The signed bill of an ended lease; `fallow.verify_receipt` checks it."""
        return await self.call("GetReceipt", lease=lease)  # type: ignore[no-any-return]

    async def verified_receipt(self, lease: int) -> Bill:
        """The bill of an ended lease, checked here against the market's own key."""
        receipt, market = await asyncio.gather(self.receipt(lease), self.market())
        return verify_receipt(receipt, market.public_key)

    async def wallet(self) -> models.WalletView:
        return await self.call("GetWallet")  # type: ignore[no-any-return]

    async def transfers(self) -> List[models.TransferView]:
        """Every movement of this account's money, newest first."""
        return [transfer async for transfer in self._pages("ListTransfers", "transfers")]

    async def set_month_budget(self, amount: Optional[Amount]) -> models.WalletView:
        """The most that may be spent in a calendar month; None: no limit."""
        return await self.call(  # type: ignore[no-any-return]
            "SetBudget", month_budget="" if amount is None else format_amount(amount))

    async def set_total_budget(self, amount: Optional[Amount], *, project: str = "") -> models.WalletView:
        """The most that may ever be spent, or for the project, which is made when there is none of the name. None: no
        limit."""
        fields = {"project": project} if project else {}
        return await self.call(  # type: ignore[no-any-return]
            "SetBudget", total_budget="" if amount is None else format_amount(amount), **fields)

    async def events(self, after: int = 0) -> AsyncIterator[models.FeedEvent]:
        """What happens to this account, from now on or behind the log's index `after`; without an end."""
        async for event in self._http.stream("FollowEvents", _set({"after": after})):
            yield event

    # ---- inside -----------------------------------------------------------------------------------
    async def _best_quote(self, requests: List[Dict[str, Any]], images: bool = False) -> models.QuoteView:
        async def ask(request: Dict[str, Any]) -> Union[models.QuoteView, NoMatch]:
            try:
                return await self._http.call(  # type: ignore[no-any-return]
                    "CreateQuote", {**request, "images": True} if images else request)
            except NoMatch as error:
                return error

        answers = await asyncio.gather(*map(ask, requests))
        quotes = [answer for answer in answers if isinstance(answer, models.QuoteView)]
        if not quotes:
            raise answers[0]  # type: ignore[misc]
        return min(quotes, key=lambda quote: (quote.tasks_at_once == 0, quote.total))

    def _upload_of(self, folder: Optional[PathLike],
                   inputs: Optional[Mapping[str, PathLike]]) -> Optional[Callable[[], Awaitable[str]]]:
        if folder is None and not inputs:
            return None
        parts = {**({} if folder is None else {"": folder}), **(inputs or {})}
        return lambda: self.store.put_parts(parts)

    def _keep(self, order: int, kept: _secrets.Secrets) -> SecretKeeping:
        self._keepings = {keeping for keeping in self._keepings if not keeping.is_done}
        keeping = SecretKeeping(SecretKeeper(self, order, kept), order)
        self._keepings.add(keeping)
        return keeping

    async def _pages(self, operation: str, items: str, **fields: Any) -> AsyncIterator[Any]:
        token = ""
        while True:
            page = await self._http.call(operation, _set({**fields, "page_size": _PAGE, "page_token": token}))
            for item in getattr(page, items):
                yield item
            token = page.next_page_token
            if not token:
                return

    async def follow_logs(self, operation: str, **fields: Any) -> AsyncIterator[models.LogLine]:
        """Each byte once and in order, over any number of connections."""
        reached: Dict[Tuple[int, bool], int] = {}
        async for line in self._http.stream(operation, fields):
            key = (line.lease, line.error_stream)
            old = reached.get(key, 0) - line.offset
            if old > 0 and old >= len(line.data):
                continue
            reached[key] = line.offset + len(line.data)
            if old > 0:
                line = models.LogLine(lease=line.lease, task=line.task, error_stream=line.error_stream,
                                      offset=line.offset + old, data=line.data[old:], last=line.last)
            yield line


def _deadline(hours: Optional[Number], restart_minutes: Optional[Number], requirements: Mapping[str, Any]) -> Dict[str, Any]:
    """The order's fields for it; TypeError for what does not go together."""
    if hours is None:
        if restart_minutes is not None:
            raise TypeError("restart_minutes goes with deadline_hours")
        return {}
    if "tier" in requirements:
        raise TypeError("with deadline_hours the market chooses the tier: leave one of the two out")
    minutes = _RESTART_MINUTES if restart_minutes is None else float(restart_minutes)
    return {"deadline_hours": float(hours), "restart_hours": minutes / 60}


def _check_count(quote: Union[models.QuoteView, str, None], tasks: int, combinations: int) -> None:
    """TypeError when the quote is for another number of tasks than there shall be, of a matrix or as stated."""
    if isinstance(quote, models.QuoteView):
        nodes = quote.requirements.nodes if quote.requirements else 0
        wanted = combinations * (nodes or 1) or tasks
        if wanted and quote.tasks != wanted:
            raise TypeError(f"the quote is for {quote.tasks} tasks, and {wanted} shall run: ask for one with tasks={wanted}")
    elif quote is not None and combinations:
        raise TypeError("a matrix needs to know how many tasks the quote is for: give the quote itself, not its id")


def _check_key(key: Optional[str], quote: Union[models.QuoteView, str, None], requirements: Mapping[str, Any]) -> None:
    """TypeError where the same call is another request the next time."""
    if key is not None and quote is None and "any_of" in requirements:
        raise TypeError("with any_of each call would choose anew, and the key would not find the first order again: take a "
                        "quote first, quote(..., any_of=...), keep it, and give the same one with the key each time")


def _check_command(command: Sequence[str]) -> None:
    if isinstance(command, str):
        raise TypeError(f'command is a list of words: ["sh", "-c", {command!r}] runs it in a shell')


def _set(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """Without what is empty: the API's default is the same."""
    return {name: value for name, value in fields.items() if value not in ("", 0, False, None)}
