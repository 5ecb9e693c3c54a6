#!/usr/bin/env python3
"""Holds fallow.json to the types that Grafana publishes of its dashboards (@grafana/schema): no field that they do not have,
none missing, every value one of theirs. It is not Grafana: whether panels look as they should, it does not say.

Usage: packaging/grafana/check_types.py FOLDER    FOLDER/node_modules has @grafana/schema and typescript: `make dashboard-check`
"""
import json
import pathlib
import subprocess
import sys

FILE = pathlib.Path(__file__).resolve().parent / "fallow.json"
# A JSON file says an enum by its value.
HEAD = """import type { Dashboard, Panel, RowPanel } from '@grafana/schema';
import type { FieldConfig, Options } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
type Said<T> = T extends string ? `${T}` : T extends number ? (number extends T ? T : `${T}` extends `${infer N extends number}` ? N : T)
  : T extends (infer I)[] ? Said<I>[] : T extends object ? { [K in keyof T]: Said<T[K]> } : T;
"""


def checks(dashboard):
    """A line of TypeScript for each part that has a type of its own."""
    panels = dashboard.pop("panels")
    parts = [("Dashboard", dashboard)]
    for panel in panels:
        parts.append(("RowPanel" if panel["type"] == "row" else "Panel", panel))
        if panel["type"] == "timeseries":
            parts += [("Options", panel["options"]), ("FieldConfig", panel["fieldConfig"]["defaults"]["custom"])]
    return [f"({json.dumps(part)}) satisfies Said<{name}>;" for name, part in parts]


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(sys.argv[1])
    lines = checks(json.loads(FILE.read_text()))
    (folder / "check.ts").write_text(HEAD + "\n".join(lines) + "\n")
    done = subprocess.run(["node_modules/.bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module",
                           "esnext", "--moduleResolution", "bundler", "check.ts"], cwd=folder)
    if done.returncode == 0:
        print(f"dashboard: ok, {len(lines)} parts")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
