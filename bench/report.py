"""How the Python programs of bench/ print what they measured: as those in C++ do (bench_report.h)."""
import json


def print_rows(rows, as_json):
    """rows: (what was measured, value, unit, what stands beside it: a limit, a peer, a target)."""
    if as_json:
        print(json.dumps({name: {"value": value, "unit": unit, "beside": beside} for name, value, unit, beside in rows}))
        return
    for name, value, unit, beside in rows:
        print(f"{name:<58} {value:12.6g} {unit:<8} {beside}")
