"""The market for programs that do not `await`: aio.py, run on a thread of its own."""
from typing import TYPE_CHECKING, Any, Iterator, List, Mapping, Optional, Sequence, Union

from . import _loop, models
from ._box import Box, Reach
from ._job import AsyncJob
from ._matrix import Matrix
from ._secrets import IMAGE_PASSWORD, SecretSources
from .aio import AsyncClient
from .artifacts import PathLike
from .config import Config
from .money import Amount
from .receipts import Bill
from .requirements import Number, Requirements

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Client:
    """One market and one key; any thread. Every method does what AsyncClient's of the same name does."""

    def __init__(self, config: Optional[Config] = None, *, url: Optional[str] = None, api_key: Optional[str] = None,
                 certificate: Optional[str] = None):
        self.aio = AsyncClient(config, url=url, api_key=api_key, certificate=certificate)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        _loop.run(self.aio.close())

    @property
    def config(self) -> Config:
        return self.aio.config

    def call(self, operation: str, *, idempotency_key: Optional[str] = None, **fields: Any) -> Any:
        return _loop.run(self.aio.call(operation, idempotency_key=idempotency_key, **fields))

    def market(self) -> models.MarketView:
        return _loop.run(self.aio.market())

    def offers(self, query: str = "", *, order: str = "") -> List[models.OfferView]:
        return _loop.run(self.aio.offers(query, order=order))

    def prices(self, model: str, region: str = "", *, count: int = 100) -> List[models.PriceView]:
        return _loop.run(self.aio.prices(model, region, count=count))

    def quote(self, query: str = "", *, tasks: int = 0, **requirements: "Unpack[Requirements]") -> models.QuoteView:
        return _loop.run(self.aio.quote(query, tasks=tasks, **requirements))

    def submit(self, query: str, command: Sequence[str], *, tasks: int = 0,
               quote: Union[models.QuoteView, str, None] = None, name: str = "", image: str = "",
               input: Union[PathLike, None] = None, inputs: Optional[Mapping[str, PathLike]] = None,
               input_manifest: str = "", output: bool = False, matrix: Optional[Matrix] = None,
               env: Optional[Mapping[str, str]] = None, secrets: SecretSources = (), image_user: str = "",
               image_password: str = IMAGE_PASSWORD, budget: Optional[Amount] = None, project: str = "",
               deadline_hours: Optional[Number] = None, restart_minutes: Optional[Number] = None, attempts: int = 0,
               checkpoint_seconds: int = 0, no_restart: bool = False, no_wait: bool = False,
               idempotency_key: Optional[str] = None,
               **requirements: "Unpack[Requirements]") -> "Job":
        return Job(_loop.run(self.aio.submit(
            query, command, tasks=tasks, quote=quote, name=name, image=image, input=input,
            inputs=inputs, input_manifest=input_manifest, output=output, matrix=matrix, env=env, secrets=secrets,
            image_user=image_user, image_password=image_password, budget=budget, project=project, deadline_hours=deadline_hours,
            restart_minutes=restart_minutes, attempts=attempts,
            checkpoint_seconds=checkpoint_seconds, no_restart=no_restart, no_wait=no_wait,
            idempotency_key=idempotency_key, **requirements)))

    def run(self, query: str, command: Sequence[str], *, output: Optional[PathLike] = None,
            logs: Optional[bool] = None, **options: Any) -> "Job":
        return Job(_loop.run(self.aio.run(query, command, output=output, logs=logs, **options)))

    def job(self, order: int) -> "Job":
        return Job(_loop.run(self.aio.job(order)))

    def jobs(self, *, open_only: bool = False) -> List["Job"]:
        return [Job(job) for job in _loop.run(self.aio.jobs(open_only=open_only))]

    def tasks(self, order: int) -> List[models.TaskView]:
        return _loop.run(self.aio.tasks(order))

    def deliver_secrets(self, order: int, secrets: SecretSources = (), *, image_user: str = "",
                        image_password: str = IMAGE_PASSWORD) -> List[models.SecretAskView]:
        return _loop.run(self.aio.deliver_secrets(order, secrets, image_user=image_user, image_password=image_password))

    def rent(self, query: str = "", *, unattended_minutes: Optional[Number] = 10, timeout_s: Optional[float] = 600.0,
             quote: Union[models.QuoteView, str, None] = None, name: str = "rental", image: str = "",
             input: Union[PathLike, None] = None, env: Optional[Mapping[str, str]] = None, secrets: SecretSources = (),
             image_user: str = "", image_password: str = IMAGE_PASSWORD, budget: Optional[Amount] = None, project: str = "",
             no_wait: bool = False, idempotency_key: Optional[str] = None,
             **requirements: "Unpack[Requirements]") -> Box:
        return Box(self.aio.rent(
            query, unattended_minutes=unattended_minutes, timeout_s=timeout_s, quote=quote, name=name, image=image,
            input=input, env=env, secrets=secrets, image_user=image_user, image_password=image_password, budget=budget,
            project=project, no_wait=no_wait, idempotency_key=idempotency_key, **requirements))

    def reach(self, lease: int) -> Reach:
        return Reach(self.aio.reach(lease))

    def leases(self, *, order: int = 0, open_only: bool = False) -> List[models.LeaseView]:
        return _loop.run(self.aio.leases(order=order, open_only=open_only))

    def lease(self, lease: int) -> models.LeaseView:
        return _loop.run(self.aio.lease(lease))

    def stop_lease(self, lease: int) -> models.LeaseView:
        return _loop.run(self.aio.stop_lease(lease))

    def receipt(self, lease: int) -> models.Receipt:
        return _loop.run(self.aio.receipt(lease))

    def verified_receipt(self, lease: int) -> Bill:
        return _loop.run(self.aio.verified_receipt(lease))

    def wallet(self) -> models.WalletView:
        return _loop.run(self.aio.wallet())

    def transfers(self) -> List[models.TransferView]:
        return _loop.run(self.aio.transfers())

    def set_month_budget(self, amount: Optional[Amount]) -> models.WalletView:
        return _loop.run(self.aio.set_month_budget(amount))

    def set_total_budget(self, amount: Optional[Amount], *, project: str = "") -> models.WalletView:
        return _loop.run(self.aio.set_total_budget(amount, project=project))

    def events(self, after: int = 0) -> Iterator[models.FeedEvent]:
        return _loop.iterate(self.aio.events(after))


class Job:
    """AsyncJob without `await`."""

    def __init__(self, job: AsyncJob):
        self.aio = job

    @property
    def id(self) -> int:
        return self.aio.id

    @property
    def view(self) -> models.OrderView:
        return self.aio.view

    @property
    def is_open(self) -> bool:
        return self.aio.is_open

    def __repr__(self) -> str:
        return repr(self.aio)

    def refresh(self) -> models.OrderView:
        return _loop.run(self.aio.refresh())

    def wait(self, timeout_s: Optional[float] = None) -> models.OrderView:
        return _loop.run(self.aio.wait(timeout_s))

    def check(self) -> "Job":
        self.aio.check()
        return self

    def stop(self) -> models.OrderView:
        return _loop.run(self.aio.stop())

    def extend(self, *, hours: Number) -> models.OrderView:
        return _loop.run(self.aio.extend(hours=hours))

    def logs(self, *, follow: bool = False) -> Iterator[models.LogLine]:
        return _loop.iterate(self.aio.logs(follow=follow))

    def output(self) -> str:
        return _loop.run(self.aio.output())

    def tasks(self) -> List[models.TaskView]:
        return _loop.run(self.aio.tasks())

    def show(self) -> None:
        _loop.run(self.aio.show())

    def leases(self) -> List[models.LeaseView]:
        return _loop.run(self.aio.leases())

    def bills(self) -> List[Bill]:
        return _loop.run(self.aio.bills())

    def download(self, folder: PathLike) -> List[Any]:
        return _loop.run(self.aio.download(folder))
