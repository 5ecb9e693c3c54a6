"""A sweep: a task for each combination of named values, as `matrix` of job files says it (docs/job-files.md).

The market knows tasks by their numbers alone: what a task's values are follows from its number, in the shell that runs it.
"""
import math
import re
import shlex
from typing import Any, List, Mapping, Sequence

_NAME = re.compile(r"(?!FALLOW_)[A-Za-z_][A-Za-z0-9_]*")

Matrix = Mapping[str, Sequence[Any]]


def combinations_of(matrix: Matrix) -> int:
    for name, values in matrix.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable of the shell, or the market's own")
        if isinstance(values, (str, bytes)) or not values:
            raise TypeError(f"the values of {name} are a list, such as [1, 2]")
    return math.prod(len(values) for values in matrix.values())


def swept(matrix: Matrix, command: Sequence[str]) -> List[str]:
    """The command, in an environment with the task's own values. The last name's change from task to task; all tasks of a
    gang have the same."""
    script, step = "", combinations_of(matrix)
    for name, values in matrix.items():
        step //= len(values)
        script += f"case $((FALLOW_TASK / ${{FALLOW_NODES:-1}} / {step} % {len(values)})) in\n"
        script += "".join(f"{at}) export {name}={shlex.quote(str(value))};;\n" for at, value in enumerate(values))
        script += "esac\n"
    return ["sh", "-c", script + 'exec "$@"', "sh", *command]
