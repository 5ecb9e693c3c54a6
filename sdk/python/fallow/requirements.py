"""What a renter asks of an offer: the one set of keyword arguments that quotes, jobs and functions share."""
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Dict, Mapping, Union

from .money import Amount, format_amount

if TYPE_CHECKING:
    from typing_extensions import TypedDict
else:
    from typing import TypedDict

Number = Union[int, float, Decimal]


class Requirements(TypedDict, total=False):
    """Beside the query (docs/query.md). What is left out is the market's default."""
    gpus: int
    """Devices per task, on one node; 1."""
    share: Number
    """Of each device, 0.001 to 1; 1."""
    hours: Number
    """The most a task may run; 1."""
    max_price: Amount
    """Per hour of one task. Of spot it is the bid."""
    memory_gb: Number
    cpus: Number
    disk_gb: Number
    network: str
    """none, or egress: out to the internet, on nodes that offer it."""
    tier: str
    """on_demand, reserved or spot."""
    objective: str
    """cheapest, fastest or cost_to_complete."""
    workload: str
    """Whose speeds fastest and cost_to_complete go by: general, fp32, fp16 or bandwidth."""
    near: str
    """The region where its data are: nodes elsewhere count as dearer."""
    isolation: str
    """The weakest sandbox that will do: bubblewrap, runc, gvisor, microvm."""


_NAMES = {"gpus": "gpus", "share": "device_share", "hours": "hours", "max_price": "max_price_per_hour",
          "memory_gb": "memory_gb", "cpus": "cpu_cores", "disk_gb": "disk_gb", "network": "network", "tier": "tier",
          "objective": "objective", "workload": "workload_class", "near": "near", "isolation": "isolation_min"}
_WORDS = {"tier", "objective", "workload", "isolation", "network"}
_SCHEMA_WORDS = {("network", "NONE"): "NETWORK_NONE"}


def to_json(query: str, tasks: int, requirements: Mapping[str, Any]) -> Dict[str, Any]:
    """A CreateQuoteRequest."""
    document: Dict[str, Any] = {"query": query}
    if tasks != 1:
        document["tasks"] = tasks
    for name, value in requirements.items():
        if name not in _NAMES:
            raise TypeError(f"'{name}' is no requirement; there are {', '.join(sorted(_NAMES))}")
        if name == "max_price":
            value = format_amount(value)
        elif name in _WORDS:
            value = str(value).upper()
            value = _SCHEMA_WORDS.get((name, value), value)
        elif isinstance(value, Decimal):
            value = float(value)  # a share or a time, not money
        document[_NAMES[name]] = value
    return document
