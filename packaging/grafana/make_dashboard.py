#!/usr/bin/env python3
"""Writes fallow.json, the dashboard for Grafana: a table of panels is easier to keep than its JSON.

Usage: packaging/grafana/make_dashboard.py [--check]    --check: says whether the file is what this writes.
"""
import json
import pathlib
import sys

FILE = pathlib.Path(__file__).resolve().parent / "fallow.json"
WIDTH = 24  # of Grafana's grid
RATE = "[$__rate_interval]"

# (row, [(title, unit, [(expression, legend)])])
ROWS = [
    ("The market", [
        ("Nodes", "short", [("fallow_nodes", "joined"), ("fallow_nodes_connected", "heard"),
                            ("fallow_agents_connected", "connected to this server")]),
        ("Devices and leases", "short", [("fallow_devices", "devices"), ("fallow_leases_open", "open leases")]),
        ("Orders", "short", [("fallow_orders_open", "open"), ("fallow_orders_waiting", "with tasks that wait")]),
        ("Accounts", "short", [("fallow_accounts", "accounts")]),
        ("Quotes taken in time that were honoured", "percentunit", [("fallow_quotes_honoured_share", "share")]),
        ("Quotes", "short", [(f"deriv(fallow_quotes_honoured{RATE})", "honoured a second"),
                             (f"deriv(fallow_quotes_gone{RATE})", "gone a second"),
                             (f"deriv(fallow_quotes_late{RATE})", "late a second")]),
    ]),
    ("The log", [
        ("Commands", "ops", [(f"deriv(fallow_log_commands{RATE})", "a second")]),
        ("Batches", "ops", [(f"deriv(fallow_log_batches{RATE})", "a second")]),
        ("Queues of the market's thread", "short", [("fallow_commands_waiting", "commands"),
                                                    ("fallow_reads_waiting", "visits")]),
        ("Turned away, storage errors", "short", [("fallow_turned_away", "turned away"),
                                                  ("fallow_storage_errors", "storage errors")]),
        ("Commands behind the newest snapshot", "short", [("fallow_last_index - fallow_snapshot_index", "to replay")]),
        ("Last snapshot", "s", [("fallow_snapshot_seconds", "took")]),
        ("Queues to the disk", "short", [("fallow_disk_jobs_waiting", "requests"),
                                         ("fallow_history_events_waiting", "events of the history")]),
        ("Queues of the hub", "short", [("fallow_agent_messages_waiting", "messages to agents"),
                                        ("fallow_agent_reports_waiting", "reports of agents"),
                                        ("fallow_node_links_waiting", "nodes that came or went"),
                                        ("fallow_proof_jobs_waiting", "checks of proofs")]),
        ("Queue of webhooks", "short", [("fallow_webhooks_waiting", "waiting"),
                                        ("fallow_webhooks_sending", "being sent to")]),
    ]),
    ("The API", [
        ("Requests by class of answer", "reqps", [(f"sum by (status) (rate(fallow_http_requests_total{RATE}))",
                                                   "{{status}}")]),
        ("Time to answer", "s", [
            (f"histogram_quantile({q}, sum by (le) (rate(fallow_http_request_seconds_bucket{RATE})))", name)
            for q, name in ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))]),
        ("Slowest routes, 99 %", "s", [
            (f"topk(5, histogram_quantile(0.99, sum by (le, route) (rate(fallow_http_request_seconds_bucket{RATE}))))",
             "{{route}}")]),
        ("Connections", "short", [("fallow_connections", "open"), ("fallow_streams_open", "streams"),
                                  ("fallow_requests_in_flight", "requests in flight")]),
        ("Webhooks: events a second", "short", [(f"deriv(fallow_webhooks_delivered{RATE})", "taken"),
                                                (f"deriv(fallow_webhooks_failed{RATE})", "failed attempts")]),
        ("Webhooks that were given up", "short", [("fallow_webhooks_stopped", "since the start")]),
        ("Webhooks: names that nobody answers for", "short", [("fallow_webhook_lookups_written_off",
                                                               "still asked for")]),
    ]),
    ("Files and tunnels", [
        ("Artifact store", "bytes", [("fallow_artifact_bytes", "used"), ("fallow_artifact_bytes_max", "limit")]),
        ("Uploads", "short", [("fallow_artifact_uploads", "unfinished"),
                              ("fallow_artifact_uploads_swept", "given up")]),
        ("Swept from the store", "short", [("fallow_artifacts_swept", "artifacts"), ("fallow_artifact_sweeps", "sweeps"),
                                           ("fallow_artifact_sweep_failures", "failed sweeps")]),
        ("Bytes swept", "bytes", [("fallow_artifact_bytes_swept", "since the start")]),
        ("Tunnels", "short", [("fallow_tunnels_open", "open"), ("fallow_tunnels_opened", "opened since the start")]),
        ("Through tunnels", "Bps", [(f"deriv(fallow_tunnel_bytes_in{RATE})", "to sandboxes"),
                                    (f"deriv(fallow_tunnel_bytes_out{RATE})", "from sandboxes")]),
    ]),
]


def panel(number, title, unit, queries, x, y):
    source = {"type": "prometheus", "uid": "${datasource}"}
    targets = [{"refId": chr(ord("A") + i), "datasource": source, "legendFormat": legend,
                "expr": selected(expression)} for i, (expression, legend) in enumerate(queries)]
    return {"id": number, "type": "timeseries", "title": title, "datasource": source, "targets": targets,
            "gridPos": {"x": x, "y": y, "w": WIDTH // 3, "h": 7},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0, "custom": {"fillOpacity": 8}}, "overrides": []},
            "options": {"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
                        "tooltip": {"mode": "multi", "sort": "none"}}}


def selected(expression):
    """Every metric of the chosen server alone."""
    words, out = expression, ""
    while "fallow_" in words:
        before, _, rest = words.partition("fallow_")
        end = next((i for i, c in enumerate(rest) if not (c.isalnum() or c == "_")), len(rest))
        out += before + "fallow_" + rest[:end] + '{instance=~"$instance"}'
        words = rest[end:]
    return out + words


def dashboard():
    panels, number, y = [], 1, 0
    for row, of_row in ROWS:
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}})
        number, y = number + 1, y + 1
        for i, (title, unit, queries) in enumerate(of_row):
            panels.append(panel(number, title, unit, queries, i % 3 * (WIDTH // 3), y + i // 3 * 7))
            number += 1
        y += (len(of_row) + 2) // 3 * 7
    variables = [
        {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"},
        {"name": "instance", "type": "query", "label": "Server", "includeAll": True, "multi": True,
         "datasource": {"type": "prometheus", "uid": "${datasource}"}, "refresh": 2,
         "query": {"query": "label_values(fallow_last_index, instance)", "refId": "instance"},
         "current": {"text": "All", "value": "$__all"}}]
    return {"uid": "fallow-market", "title": "Fallow", "tags": ["fallow"], "schemaVersion": 36, "version": 1,
            "editable": True, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "browser",
            "templating": {"list": variables}, "panels": panels}


def main():
    text = json.dumps(dashboard(), indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        if not FILE.exists() or FILE.read_text() != text:
            print(f"{FILE.name} is not what {pathlib.Path(__file__).name} writes; run it", file=sys.stderr)
            return 1
        return 0
    FILE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
