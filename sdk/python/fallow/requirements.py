"""What a renter asks of an offer: the one set of keyword arguments that quotes, jobs, functions and rentals share.

Names and meanings are those of `fallow run` and of job files (docs/job-files.md).
"""
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Union

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
    nodes: int
    """Tasks that start together, each on a node of its own: in one rack if that can be had, else in one LAN, one
    region, else anywhere; 1."""
    share: Number
    """Of each device, 0.001 to 1; 1."""
    hours: Number
    """The most a task may run; 1."""
    term: str
    """The same in words, in place of hours: 90m, 12h, 3d, 2w, week, month (30 days)."""
    max_price: Amount
    """Per hour of one task."""
    bid: Amount
    """Of spot, in place of max_price: the most an hour of one task may cost; what it does cost is one price for all."""
    memory_gb: Number
    cpus: Number
    disk_gb: Number
    network: str
    """none, or egress: out to the internet, on nodes that offer it."""
    egress_gb: Number
    """The most that a task may send, which is held for it and paid by what it sends; means network="egress". Without it
    only offers are taken that charge nothing for that."""
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
    any_of: Sequence[Mapping[str, Any]]
    """Alternatives, each with the `query` and requirements in which it differs: the cheapest that can start."""


_NAMES = {"gpus": "gpus", "nodes": "nodes", "share": "device_share", "hours": "hours", "term": "hours",
          "max_price": "max_price_per_hour", "bid": "max_price_per_hour", "memory_gb": "memory_gb", "cpus": "cpu_cores",
          "disk_gb": "disk_gb", "network": "network", "egress_gb": "egress_gb", "tier": "tier", "objective": "objective",
          "workload": "workload_class", "near": "near", "isolation": "isolation_min"}
_WORDS = {"tier", "objective", "workload", "isolation", "network"}
_SCHEMA_WORDS = {("network", "NONE"): "NETWORK_NONE"}
_AMOUNTS = {"max_price", "bid"}
_TERM = re.compile(r"([0-9]*\.?[0-9]*)(m|h|d|w|hour|day|week|month)")
_UNIT_HOURS = {"m": 1 / 60, "h": 1, "d": 24, "w": 7 * 24, "hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}


def hours_of_term(text: str) -> float:
    """Of "90m", "12h", "3d", "2w", "week", "month"."""
    found = _TERM.fullmatch(text)
    try:
        hours = (float(found[1]) if found[1] else 1.0) * _UNIT_HOURS[found[2]] if found else 0.0
    except ValueError:
        hours = 0.0
    if hours <= 0:
        raise ValueError(f"{text!r} is no time: write 90m, 12h, 3d, 2w, month")
    return hours


def wishes(query: str, tasks: int, requirements: Mapping[str, Any], combinations: int = 0) -> List[Dict[str, Any]]:
    """The CreateQuoteRequests of which one will do: of each of `any_of`, or the only one. `combinations`: of a matrix, in
    place of `tasks`: each is a task, or a gang of as many as the alternative's own nodes."""
    shared = {name: value for name, value in requirements.items() if name != "any_of"}
    alternatives = requirements.get("any_of", [{}])
    if not alternatives:
        raise TypeError("any_of is a list of alternatives, such as [{'gpus': 2}, ...]")
    documents = []
    for each in alternatives:
        own = {**shared, **each}
        wanted = own.pop("query", query)
        documents.append(to_json(wanted, combinations * (own.get("nodes") or 1) or tasks, own))
    return documents


def starts_gangs(requests: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a task of one of wishes() comes with others, each on a node of its own."""
    return any(request.get("nodes", 1) > 1 for request in requests)


def to_json(query: str, tasks: int, requirements: Mapping[str, Any]) -> Dict[str, Any]:
    """A CreateQuoteRequest. `tasks` 0: one gang, without gangs one task."""
    document: Dict[str, Any] = {"query": query}
    if tasks:
        document["tasks"] = tasks
    for name, value in requirements.items():
        if name not in _NAMES:
            raise TypeError(f"'{name}' is no requirement; there are {', '.join(sorted(_NAMES))}")
        if _NAMES[name] in document:
            both = " and ".join(sorted(each for each in requirements if _NAMES[each] == _NAMES[name]))
            raise TypeError(f"{both} say the same thing; give one of them")
        if name in _AMOUNTS:
            value = format_amount(value)
        elif name == "term":
            value = hours_of_term(value)
        elif name in _WORDS:
            value = str(value).upper()
            value = _SCHEMA_WORDS.get((name, value), value)
        elif isinstance(value, Decimal):
            value = float(value)  # a share or a time, not money
        document[_NAMES[name]] = value
    if document.get("egress_gb"):
        document["network"] = "EGRESS"
    return document
