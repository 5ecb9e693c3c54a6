"""Everything the SDK raises on purpose. All of it is a FallowError, so one `except` can catch the lot."""
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

if TYPE_CHECKING:
    from .models import LeaseView, OrderView, Problem
    from ._reach import Done


class FallowError(Exception):
    """Something of Fallow went wrong; the message says what, why and what to do next."""


class ConfigError(FallowError):
    """The configuration is missing or cannot be understood."""


class Unreachable(FallowError):
    """No answer from the market: no connection, not the trusted certificate, or lost too often."""


class Refused(FallowError):
    """The market said no (RFC 9457): `code` is stable, `field` and `column` say where.

    `problem` is the whole answer: `relaxations` names the smallest changes that would match, and
    `next_quote` stands in for a quote that is gone.
    """

    def __init__(self, problem: "Problem"):
        self.problem = problem
        self.status: int = problem.status
        self.code: str = problem.code
        self.detail: str = problem.detail
        self.field: str = problem.field
        self.column: int = problem.column
        where = f" ({self.field}{f', column {self.column}' if self.column else ''})" if self.field else ""
        hints = [relaxation.change for relaxation in problem.relaxations]
        advice = f"; would match: {' or '.join(hints)}" if hints else ""
        super().__init__(f"{self.code}: {self.detail}{where}{advice}")

    @property
    def relaxations(self) -> List[Any]:
        return self.problem.relaxations


class NoMatch(Refused):
    """No offer meets the requirements; `relaxations` says what would."""


class NoFunds(Refused):
    """The wallet or a budget does not cover it."""


class NotFound(Refused):
    """There is no such thing, or it is somebody else's."""


class QuoteGone(Refused):
    """The quote ran out, or its offers did; `problem.next_quote` is what it costs now."""


class NotAllowed(Refused):
    """The key is missing, unknown or may not do this."""


class JobFailed(FallowError):
    """A job ended without all of its tasks done. `order` says which, by which reason and blame."""

    def __init__(self, order: "OrderView"):
        self.order = order
        failed = [task for task in order.tasks if task.state in ("FAILED", "TASK_STOPPED")]
        words = []
        for task in failed[:3]:
            why = f"exit code {task.exit_code}" if task.last_reason == "EXIT_CODE" else task.last_reason.lower()
            words.append(f"task {task.index}: {why}" + (f" ({_words(task.detail)})" if task.detail else ""))
        # The order lists its first tasks, and counts all.
        count = max(len(failed), order.tasks_failed)
        if count and not words:
            words.append(f"{count} of its later tasks failed")
        elif count > len(words):
            words[-1] += f" and {count - len(words)} more"
        super().__init__(f"job {order.id} ended as {order.state.lower()}: "
                         f"{', '.join(words) or 'it was stopped before it began'}")


class RemoteError(FallowError):
    """The function raised on the node. `type_name`, `text` and `traceback` are words, not objects:
    an exception from a machine of a stranger is never rebuilt here."""

    def __init__(self, type_name: str, text: str, traceback: str):
        self.type_name = type_name
        self.text = text
        self.traceback = traceback
        super().__init__(f"{type_name}: {text}\n\n{traceback}" if traceback else f"{type_name}: {text}")


class InputLost(FallowError):
    """An input ended the process or the lease that worked on it: by a signal, os._exit, memory, time.
    `reason` and `blame` are the market's words."""

    def __init__(self, message: str, reason: str, blame: str):
        self.reason = reason
        self.blame = blame
        super().__init__(message)


class ReachFailed(FallowError):
    """What was asked for in a running lease could not be done there: no such file, no such port. The words are the
    sandbox's."""


class WayLost(ReachFailed):
    """The way into a lease was lost. The workload may still run; the next call tries again."""


class CommandFailed(FallowError):
    """A command in a lease ended with another code than 0. `done` has its code and its output."""

    def __init__(self, done: "Done"):
        self.done = done
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        super().__init__(f"the command ended with exit code {done.code}" + "".join(f": {_words(line)}" for line in last))


class RentalOver(FallowError):
    """The rented machine is gone: its time or money is used up, its owner is back, its node was lost. What was on it is
    gone, too. `lease` is the last state of its lease."""

    def __init__(self, lease: "LeaseView"):
        self.lease = lease
        super().__init__(f"lease {lease.id} of the rental has ended: {lease.reason.lower()}"
                         + (f" ({_words(lease.detail)})" if lease.detail else "")
                         + "; what was on it is gone, and its bill is settled: rent another")


class ReceiptInvalid(FallowError):
    """A receipt is not what it says; the message names the first thing that is wrong."""


class SecretFailed(FallowError):
    """A secret cannot be read, or is not handed over. No message shows a value."""


class ValueRefused(FallowError):
    """A value cannot travel: not one of the plain types, or not to be pickled."""


def _words(text: str) -> str:
    """Of a stranger's machine, for a terminal."""
    from ._progress import defused

    return defused(text)


def refusal(status: int, document: Optional[Mapping[str, Any]]) -> Refused:
    """The exception for an answer that is not a success."""
    from ._wire import decode
    from .models import Problem

    fields: Dict[str, Any] = dict(document) if document and document.get("detail") else {
        "code": f"http_{status}", "detail": f"the server answered {status}"}
    fields["status"] = status
    problem = decode(Problem, fields)
    kind = {
        "no_match": NoMatch, "no_funds": NoFunds, "over_budget": NoFunds, "quote_gone": QuoteGone,
        "not_allowed": NotAllowed, "key_missing": NotAllowed, "key_unknown": NotAllowed,
    }.get(problem.code, NotFound if status == 404 else Refused)
    return kind(problem)
