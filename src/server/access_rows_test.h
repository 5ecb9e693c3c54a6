// Whom every route is for: one table, which the access tests ask row by row.
#pragma once

#include <cstddef>
#include <string_view>

namespace fallow::server {

// Who asks. The orders, their leases, the payout and the project are the renter's, the node is the
// provider's.
enum Who : std::size_t {
  kNobody,
  kRenter,
  kOtherRenter,
  kProvider,
  kOtherProvider,
  kOperator,
  kCallers
};
constexpr const char* kCallerNames[kCallers] = {"nobody",   "renter",         "other renter",
                                                "provider", "other provider", "operator"};

// One way to ask a route. "{order}" and other names in braces stand for what AccessWorld has.
struct AccessRow {
  const char* route;   // "GET /v1/orders/{order}", as openapi.json has it
  const char* target;  // where the request goes; empty: the route's path
  const char* body;    // JSON; empty: none
  int status[kCallers];
  int cross_site;      // by the session of one who may, asked for by a page of another site
  int by_session = 0;  // where it is not what the key gives
};

// 200: it is his to ask for. 401: who are you? 402: yours, but there is no money in it. 403: not
// with this kind of key. 404: his own, or nobody's: what is another's does not even exist.
constexpr AccessRow kAccessTable[] = {
    // route, target, body, {nobody, renter, other, provider, other, operator}, cross-site, by
    // session
    {"GET /v1/market", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /v1/offers", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/prices", "/v1/prices?model=RTX_4090", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /v1/classes", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /v1/forecast", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/speeds", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"PUT /v1/speeds/{model}",
     "/v1/speeds/RTX_4090",
     R"({"workload_class": "FP16", "speed": "1.5"})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"POST /v1/quotes", "", "{}", {401, 200, 200, 403, 403, 403}, 403},
    {"GET /v1/events", "/v1/events?after=1", "", {401, 200, 200, 200, 200, 200}, 403},

    // Its renter's alone, who then must speak WebSocket; keys that do not rent are of no use here.
    // It stands before what stops the lease.
    {"GET /v1/leases/{lease}/tunnel", "", "", {401, 426, 404, 403, 403, 403}, 403},

    // Likewise its renter's alone: there is nobody who asked for secrets.
    {"GET /v1/orders/{order}/secret-asks", "", "", {401, 200, 404, 403, 403, 403}, 403},
    {"POST /v1/leases/{lease}/secrets",
     "",
     R"({"sealed": "c2VhbGVk"})",
     {401, 503, 404, 403, 403, 403},
     403},

    {"POST /v1/orders",
     "",
     R"({"requirements": {}, "workload": {"command": ["true"]}})",
     {401, 200, 200, 403, 403, 403},
     403},
    {"GET /v1/orders", "", "", {401, 200, 200, 403, 403, 200}, 403},
    {"GET /v1/orders/{order}", "", "", {401, 200, 404, 403, 403, 200}, 403},
    {"GET /v1/orders/{order}/extension",
     "/v1/orders/{order}/extension?hours=1",
     "",
     {401, 200, 404, 403, 403, 403},
     403},
    {"POST /v1/orders/{order}/extend",
     "",
     R"({"hours": 0.01})",
     {401, 200, 404, 403, 403, 403},
     403},
    {"GET /v1/orders/{order}/tasks", "", "", {401, 200, 404, 403, 403, 200}, 403},
    {"POST /v1/orders/{order}/stop", "", "", {401, 200, 404, 403, 403, 200}, 403},
    {"GET /v1/orders/{order}/logs",
     "/v1/orders/{ended_order}/logs",
     "",
     {401, 200, 404, 403, 403, 200},
     403},

    {"GET /v1/leases", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/leases", "/v1/leases?order={ended_order}", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/leases", "/v1/leases?node={node}", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/leases/{lease}", "", "", {401, 200, 404, 200, 404, 200}, 403},
    {"POST /v1/leases/{lease}/stop", "", "", {401, 200, 404, 403, 403, 200}, 403},
    {"GET /v1/leases/{lease}/receipt",
     "/v1/leases/{ended_lease}/receipt",
     "",
     {401, 200, 404, 200, 404, 200},
     403},
    {"GET /v1/leases/{lease}/logs",
     "/v1/leases/{ended_lease}/logs",
     "",
     {401, 200, 404, 403, 403, 200},
     403},
    {"GET /v1/leases/{lease}/telemetry",
     "/v1/leases/{ended_lease}/telemetry",
     "",
     {401, 200, 404, 200, 404, 200},
     403},
    {"GET /v1/leases/{lease}/telemetry/minutes", "", "", {401, 200, 404, 200, 404, 200}, 403},

    {"GET /v1/wallet", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/wallet", "/v1/wallet?account={account}", "", {401, 200, 404, 404, 404, 200}, 403},
    {"GET /v1/wallet/transfers", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/wallet/transfers",
     "/v1/wallet/transfers?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"GET /v1/wallet/statement", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/wallet/statement",
     "/v1/wallet/statement?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"GET /v1/wallet/statement.csv", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/wallet/statement.csv",
     "/v1/wallet/statement.csv?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"GET /v1/wallet/earnings", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/wallet/earnings",
     "/v1/wallet/earnings?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"POST /v1/deposits",
     "",
     R"({"account": "{account}", "amount": "1", "reference": "r"})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"POST /v1/deposits/reverse",
     "",
     R"({"reference": "{reversed}"})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"POST /v1/withdrawals",
     "",
     R"({"amount": "1", "destination": "d"})",
     {401, 200, 200, 402, 402, 403},
     403},
    {"GET /v1/withdrawals", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/withdrawals",
     "/v1/withdrawals?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"GET /v1/payouts", "", "", {401, 403, 403, 403, 403, 200}, 403},
    {"POST /v1/payouts/{payout}/settle",
     "",
     R"({"paid": true})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"PUT /v1/wallet/budget", "", R"({"month_budget": "9"})", {401, 200, 200, 403, 403, 403}, 403},
    {"PUT /v1/wallet/budget",
     "",
     R"({"total_budget": "9", "project": "p"})",
     {401, 200, 200, 403, 403, 403},
     403},

    {"POST /v1/join-tokens", "", "{}", {401, 403, 403, 200, 200, 403}, 403},
    // The token is the key: whoever shows it joins for the provider who made it.
    {"POST /v1/nodes",
     "",
     R"({"secret": "{secret}",
         "public_key": "5866666666666666666666666666666666666666666666666666666666666666",
         "facts": {"name": "m"}})",
     {200, 200, 200, 200, 200, 200},
     200},
    {"POST /v1/nodes",
     "",
     R"({"secret": "0000000000000000000000000000000000000000000000000000000000000000",
         "public_key": "5866666666666666666666666666666666666666666666666666666666666666",
         "facts": {"name": "m"}})",
     {401, 401, 401, 401, 401, 401},
     401},
    {"GET /v1/nodes", "", "", {401, 403, 403, 200, 200, 200}, 403},
    {"GET /v1/regions", "", "", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/nodes/{node}", "", "", {401, 403, 403, 200, 404, 200}, 403},
    {"GET /v1/nodes/{node}/telemetry", "", "", {401, 403, 403, 200, 404, 200}, 403},
    {"GET /v1/nodes/{node}/telemetry/minutes", "", "", {401, 403, 403, 200, 404, 200}, 403},
    {"GET /v1/nodes/{node}/owner", "", "", {401, 403, 403, 200, 404, 200}, 403},
    {"DELETE /v1/nodes/{node}", "", "", {401, 403, 403, 200, 404, 200}, 403},
    {"PUT /v1/nodes/{node}/offer",
     "",
     R"({"price_per_hour": "9"})",
     {401, 403, 403, 200, 404, 403},
     403},
    {"DELETE /v1/nodes/{node}/offer", "", "", {401, 403, 403, 200, 404, 403}, 403},

    {"POST /v1/accounts",
     "",
     R"({"name": "n", "scopes": ["RENTER"]})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"GET /v1/accounts", "", "", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/account", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"POST /v1/keys", "", "{}", {401, 200, 200, 200, 200, 200}, 403},
    {"POST /v1/keys", "", R"({"scopes": ["OPERATOR"]})", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/keys", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/keys", "/v1/keys?account={account}", "", {401, 200, 404, 404, 404, 200}, 403},
    {"DELETE /v1/keys/{key}", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"DELETE /v1/keys/{key}",
     "/v1/keys/{key}?account={account}",
     "",
     {401, 200, 404, 404, 404, 200},
     403},
    {"PUT /v1/policy", "", R"({"policy": {policy}})", {401, 403, 403, 403, 403, 200}, 403},
    {"POST /v1/policy/trial", "", R"({"policy": {policy}})", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/policy/trial", "", "", {401, 403, 403, 403, 403, 200}, 403},

    {"GET /v1/audit", "", "", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/audit.csv", "", "", {401, 403, 403, 403, 403, 200}, 403},
    {"GET /v1/audit.ndjson", "", "", {401, 403, 403, 403, 403, 200}, 403},

    {"POST /v1/webhooks",
     "",
     R"({"url": "http://127.0.0.1:9/in"})",
     {401, 200, 200, 200, 200, 200},
     403},
    {"POST /v1/webhooks",
     "",
     R"({"url": "http://127.0.0.1:9/in", "everyone": true})",
     {401, 403, 403, 403, 403, 200},
     403},
    {"GET /v1/webhooks", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/webhooks/{webhook}", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"GET /v1/webhooks/{webhook}/deliveries", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"PUT /v1/webhooks/{webhook}",
     "",
     R"({"url": "http://127.0.0.1:9/other"})",
     {401, 200, 404, 404, 404, 404},
     403},
    {"POST /v1/webhooks/{webhook}/secret", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"POST /v1/webhooks/{webhook}/replay",
     "",
     R"({"since": "2026-01-01T00:00:00Z"})",
     {401, 200, 404, 404, 404, 404},
     403},
    {"DELETE /v1/webhooks/{webhook}", "", "", {401, 200, 404, 404, 404, 404}, 403},

    {"GET /v1/members", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"PUT /v1/members/{member}", "", R"({"role": "BILLING"})", {401, 200, 200, 200, 200, 200}, 403},
    {"DELETE /v1/members/{member}", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"GET /v1/teams", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"PUT /v1/teams/{team}", "", "", {401, 200, 404, 404, 404, 404}, 403},
    {"DELETE /v1/teams/{team}", "", "", {401, 200, 404, 404, 404, 404}, 403},

    // Who shows a key signs in, but only on the server's own pages.
    {"POST /v1/session", "", R"({"api_key": "{api_key}"})", {200, 200, 200, 200, 200, 200}, 403},
    {"GET /v1/session", "", "", {401, 200, 200, 200, 200, 200}, 403},
    // A key is no session: there is nothing to sign out of.
    {"DELETE /v1/session", "", "", {401, 404, 404, 404, 404, 404}, 403, 200},

    // A digest is 32 bytes that nobody guesses and no route shows to strangers; who knows it,
    // reads.
    {"GET /v1/artifacts/{digest}", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"HEAD /v1/artifacts/{digest}", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"PUT /v1/artifacts/{digest}", "", "", {401, 200, 200, 200, 200, 200}, 403},
    {"POST /v1/artifacts/{digest}",
     "/v1/artifacts/{begun}",
     "",
     {401, 201, 201, 201, 201, 201},
     403},
    // An upload goes on for whoever began it.
    {"PATCH /v1/artifacts/{digest}",
     "/v1/artifacts/{begun}",
     "",
     {401, 204, 404, 404, 404, 404},
     403},

    {"GET /healthz", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /readyz", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /metrics", "", "", {200, 200, 200, 200, 200, 200}, 200},  // of the loopback
    {"GET /v1/openapi.json", "", "", {200, 200, 200, 200, 200, 200}, 200},
    {"GET /v1/agent", "", "", {426, 426, 426, 426, 426, 426}, 426},  // a WebSocket, or nothing
};

// What is not only reading, and for which roles: of keys, and of members in a team. Said here a
// second time, so that a route that was forgotten in the schema, or a role that may too much, is
// seen.
struct AccessRight {
  const char* route;
  const char* roles;  // of those who may: 'b'illing, 'm'ember; an owner always may, a viewer never
};
constexpr AccessRight kAccessRights[] = {
    {"GET /v1/leases/{lease}/tunnel", "m"},
    {"POST /v1/orders", "m"},
    {"POST /v1/orders/{order}/stop", "m"},
    {"POST /v1/orders/{order}/extend", "m"},
    {"POST /v1/leases/{lease}/stop", "m"},
    {"POST /v1/leases/{lease}/secrets", "m"},
    {"POST /v1/join-tokens", "m"},
    {"DELETE /v1/nodes/{node}", "m"},
    {"PUT /v1/nodes/{node}/offer", "m"},
    {"DELETE /v1/nodes/{node}/offer", "m"},
    {"PUT /v1/artifacts/{digest}", "m"},
    {"POST /v1/artifacts/{digest}", "m"},
    {"PATCH /v1/artifacts/{digest}", "m"},
    {"POST /v1/deposits", "b"},
    {"POST /v1/deposits/reverse", "b"},
    {"POST /v1/withdrawals", "b"},
    {"POST /v1/payouts/{payout}/settle", "b"},
    {"PUT /v1/wallet/budget", "b"},
    {"PUT /v1/speeds/{model}", ""},
    {"PUT /v1/policy", ""},
    {"POST /v1/policy/trial", ""},
    {"POST /v1/accounts", ""},
    {"POST /v1/keys", ""},
    {"DELETE /v1/keys/{key}", ""},
    {"POST /v1/webhooks", ""},
    {"PUT /v1/webhooks/{webhook}", ""},
    {"POST /v1/webhooks/{webhook}/secret", ""},
    {"POST /v1/webhooks/{webhook}/replay", ""},
    {"DELETE /v1/webhooks/{webhook}", ""},
    {"PUT /v1/members/{member}", ""},
    {"DELETE /v1/members/{member}", ""},
    {"PUT /v1/teams/{team}", ""},
    {"DELETE /v1/teams/{team}", ""},
};

// `role`: 'v', 'b', 'm' or 'o'. Routes that need no key are for everybody.
inline bool role_may(const AccessRow& row, char role) {
  for (const AccessRight& right : kAccessRights) {
    if (std::string_view(right.route) != row.route) continue;
    return role == 'o' || std::string_view(right.roles).find(role) != std::string_view::npos;
  }
  return true;
}

inline bool changes_something(const AccessRow& row) {
  const std::string_view route = row.route;
  return !route.starts_with("GET ") && !route.starts_with("HEAD ");
}

// What it changes is the asker's own, and neither he nor another is answered otherwise for it when
// he asks the same again.
inline bool may_be_repeated(const AccessRow& row) {
  for (const std::string_view route :
       {"POST /v1/quotes", "POST /v1/join-tokens", "POST /v1/keys", "POST /v1/webhooks",
        "PUT /v1/members/{member}", "POST /v1/session", "DELETE /v1/session",
        "PUT /v1/artifacts/{digest}", "POST /v1/artifacts/{digest}"}) {
    if (route == row.route) return true;
  }
  return false;
}

}  // namespace fallow::server
