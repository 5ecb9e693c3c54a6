"""Every operation of the API. Made from docs/openapi.json by tools/generate_models.py; do not edit."""

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, Optional, Type

from . import models


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    in_path: FrozenSet[str]
    in_query: FrozenSet[str]
    in_body: FrozenSet[str]
    answer: Optional[Type[Any]]
    is_stream: bool


ROUTES: Dict[str, Route] = {
    "GetMarket": Route(
        "GET", "/v1/market", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.MarketView, False),
    "ListOffers": Route(
        "GET", "/v1/offers", frozenset([]),
        frozenset(['objective', 'order', 'page_size', 'page_token', 'query', 'workload_class']),
        frozenset([]),
        models.ListOffersResponse, False),
    "ListPrices": Route(
        "GET", "/v1/prices", frozenset([]),
        frozenset(['model', 'page_size', 'page_token', 'region']),
        frozenset([]),
        models.ListPricesResponse, False),
    "ListClasses": Route(
        "GET", "/v1/classes", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.ListClassesResponse, False),
    "ListForecast": Route(
        "GET", "/v1/forecast", frozenset([]),
        frozenset(['hours', 'model', 'page_size', 'page_token', 'region']),
        frozenset([]),
        models.ListForecastResponse, False),
    "ListSpeeds": Route(
        "GET", "/v1/speeds", frozenset([]),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListSpeedsResponse, False),
    "SetSpeed": Route(
        "PUT", "/v1/speeds/{model}", frozenset(['model']),
        frozenset([]),
        frozenset(['speed', 'workload_class']),
        models.SpeedView, False),
    "CreateQuote": Route(
        "POST", "/v1/quotes", frozenset([]),
        frozenset([]),
        frozenset(['cpu_cores', 'device_share', 'disk_gb', 'egress_gb', 'gpus', 'hours', 'images', 'isolation_min', 'max_price_per_hour', 'memory_gb', 'near', 'network', 'nodes', 'objective', 'query', 'tasks', 'tier', 'workload_class']),
        models.QuoteView, False),
    "FollowEvents": Route(
        "GET", "/v1/events", frozenset([]),
        frozenset(['after']),
        frozenset([]),
        models.FeedEvent, True),
    "CreateOrder": Route(
        "POST", "/v1/orders", frozenset([]),
        frozenset([]),
        frozenset(['attempts_max', 'budget', 'deadline_hours', 'input_manifest', 'name', 'no_wait', 'project', 'quote', 'requirements', 'restart_hours', 'tasks', 'workload']),
        models.OrderView, False),
    "ListOrders": Route(
        "GET", "/v1/orders", frozenset([]),
        frozenset(['open_only', 'page_size', 'page_token']),
        frozenset([]),
        models.ListOrdersResponse, False),
    "GetOrder": Route(
        "GET", "/v1/orders/{order}", frozenset(['order']),
        frozenset([]),
        frozenset([]),
        models.OrderView, False),
    "ListTasks": Route(
        "GET", "/v1/orders/{order}/tasks", frozenset(['order']),
        frozenset(['first', 'page_size', 'page_token']),
        frozenset([]),
        models.ListTasksResponse, False),
    "StopOrder": Route(
        "POST", "/v1/orders/{order}/stop", frozenset(['order']),
        frozenset([]),
        frozenset([]),
        models.OrderView, False),
    "GetExtension": Route(
        "GET", "/v1/orders/{order}/extension", frozenset(['order']),
        frozenset(['hours']),
        frozenset([]),
        models.ExtensionView, False),
    "ExtendOrder": Route(
        "POST", "/v1/orders/{order}/extend", frozenset(['order']),
        frozenset([]),
        frozenset(['hours']),
        models.OrderView, False),
    "FollowOrderLogs": Route(
        "GET", "/v1/orders/{order}/logs", frozenset(['order']),
        frozenset(['follow']),
        frozenset([]),
        models.LogLine, True),
    "ListLeases": Route(
        "GET", "/v1/leases", frozenset([]),
        frozenset(['node', 'open_only', 'order', 'page_size', 'page_token']),
        frozenset([]),
        models.ListLeasesResponse, False),
    "GetLease": Route(
        "GET", "/v1/leases/{lease}", frozenset(['lease']),
        frozenset([]),
        frozenset([]),
        models.LeaseView, False),
    "StopLease": Route(
        "POST", "/v1/leases/{lease}/stop", frozenset(['lease']),
        frozenset([]),
        frozenset([]),
        models.LeaseView, False),
    "GetReceipt": Route(
        "GET", "/v1/leases/{lease}/receipt", frozenset(['lease']),
        frozenset([]),
        frozenset([]),
        models.Receipt, False),
    "FollowLeaseLogs": Route(
        "GET", "/v1/leases/{lease}/logs", frozenset(['lease']),
        frozenset(['follow']),
        frozenset([]),
        models.LogLine, True),
    "FollowLeaseTelemetry": Route(
        "GET", "/v1/leases/{lease}/telemetry", frozenset(['lease']),
        frozenset([]),
        frozenset([]),
        models.TelemetryView, True),
    "ListLeaseTelemetry": Route(
        "GET", "/v1/leases/{lease}/telemetry/minutes", frozenset(['lease']),
        frozenset(['last_minutes', 'page_size', 'page_token']),
        frozenset([]),
        models.ListTelemetryResponse, False),
    "ListSecretAsks": Route(
        "GET", "/v1/orders/{order}/secret-asks", frozenset(['order']),
        frozenset([]),
        frozenset([]),
        models.ListSecretAsksResponse, False),
    "DeliverSecrets": Route(
        "POST", "/v1/leases/{lease}/secrets", frozenset(['lease']),
        frozenset([]),
        frozenset(['sealed']),
        models.DeliverSecretsResponse, False),
    "GetWallet": Route(
        "GET", "/v1/wallet", frozenset([]),
        frozenset(['account']),
        frozenset([]),
        models.WalletView, False),
    "ListTransfers": Route(
        "GET", "/v1/wallet/transfers", frozenset([]),
        frozenset(['account', 'page_size', 'page_token']),
        frozenset([]),
        models.ListTransfersResponse, False),
    "GetStatement": Route(
        "GET", "/v1/wallet/statement", frozenset([]),
        frozenset(['account', 'month', 'page_size', 'page_token']),
        frozenset([]),
        models.StatementView, False),
    "CreateDeposit": Route(
        "POST", "/v1/deposits", frozenset([]),
        frozenset([]),
        frozenset(['account', 'amount', 'reference']),
        models.WalletView, False),
    "ReverseDeposit": Route(
        "POST", "/v1/deposits/reverse", frozenset([]),
        frozenset([]),
        frozenset(['reference']),
        models.WalletView, False),
    "CreateWithdrawal": Route(
        "POST", "/v1/withdrawals", frozenset([]),
        frozenset([]),
        frozenset(['amount', 'destination']),
        models.WalletView, False),
    "ListWithdrawals": Route(
        "GET", "/v1/withdrawals", frozenset([]),
        frozenset(['account', 'page_size', 'page_token']),
        frozenset([]),
        models.ListWithdrawalsResponse, False),
    "ListEarnings": Route(
        "GET", "/v1/wallet/earnings", frozenset([]),
        frozenset(['account', 'by', 'node', 'page_size', 'page_token', 'since', 'until']),
        frozenset([]),
        models.ListEarningsResponse, False),
    "ListPayouts": Route(
        "GET", "/v1/payouts", frozenset([]),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListPayoutsResponse, False),
    "SettlePayout": Route(
        "POST", "/v1/payouts/{payout}/settle", frozenset(['payout']),
        frozenset([]),
        frozenset(['paid', 'reference']),
        models.WalletView, False),
    "SetBudget": Route(
        "PUT", "/v1/wallet/budget", frozenset([]),
        frozenset([]),
        frozenset(['month_budget', 'project', 'total_budget']),
        models.WalletView, False),
    "CreateJoinToken": Route(
        "POST", "/v1/join-tokens", frozenset([]),
        frozenset([]),
        frozenset(['hours', 'uses_max']),
        models.JoinTokenResponse, False),
    "JoinNode": Route(
        "POST", "/v1/nodes", frozenset([]),
        frozenset([]),
        frozenset(['egress_price_per_gb', 'facts', 'price_per_hour', 'public_key', 'secret']),
        models.NodeView, False),
    "ListNodes": Route(
        "GET", "/v1/nodes", frozenset([]),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListNodesResponse, False),
    "ListRegions": Route(
        "GET", "/v1/regions", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.ListRegionsResponse, False),
    "GetNode": Route(
        "GET", "/v1/nodes/{node}", frozenset(['node']),
        frozenset([]),
        frozenset([]),
        models.NodeView, False),
    "RemoveNode": Route(
        "DELETE", "/v1/nodes/{node}", frozenset(['node']),
        frozenset([]),
        frozenset([]),
        models.NodeView, False),
    "SetOffer": Route(
        "PUT", "/v1/nodes/{node}/offer", frozenset(['node']),
        frozenset([]),
        frozenset(['discounts', 'disk_price_per_gb_hour', 'egress_price_per_gb', 'hours_max', 'price_ceiling_per_hour', 'price_floor_per_hour', 'price_per_hour', 'share_min', 'spot_floor_per_hour']),
        models.OfferView, False),
    "WithdrawOffer": Route(
        "DELETE", "/v1/nodes/{node}/offer", frozenset(['node']),
        frozenset([]),
        frozenset([]),
        models.NodeView, False),
    "FollowNodeTelemetry": Route(
        "GET", "/v1/nodes/{node}/telemetry", frozenset(['node']),
        frozenset([]),
        frozenset([]),
        models.TelemetryView, True),
    "ListNodeTelemetry": Route(
        "GET", "/v1/nodes/{node}/telemetry/minutes", frozenset(['node']),
        frozenset(['last_minutes', 'page_size', 'page_token']),
        frozenset([]),
        models.ListTelemetryResponse, False),
    "ListOwnerNotes": Route(
        "GET", "/v1/nodes/{node}/owner", frozenset(['node']),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListOwnerNotesResponse, False),
    "CreateAccount": Route(
        "POST", "/v1/accounts", frozenset([]),
        frozenset([]),
        frozenset(['name', 'scopes']),
        models.CreateAccountResponse, False),
    "ListAccounts": Route(
        "GET", "/v1/accounts", frozenset([]),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListAccountsResponse, False),
    "GetAccount": Route(
        "GET", "/v1/account", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.AccountView, False),
    "CreateKey": Route(
        "POST", "/v1/keys", frozenset([]),
        frozenset([]),
        frozenset(['hours', 'label', 'role', 'scopes']),
        models.CreateKeyResponse, False),
    "ListKeys": Route(
        "GET", "/v1/keys", frozenset([]),
        frozenset(['account']),
        frozenset([]),
        models.ListKeysResponse, False),
    "RevokeKey": Route(
        "DELETE", "/v1/keys/{key}", frozenset(['key']),
        frozenset(['account']),
        frozenset([]),
        models.KeyView, False),
    "SetPolicy": Route(
        "PUT", "/v1/policy", frozenset([]),
        frozenset([]),
        frozenset(['policy']),
        models.MarketView, False),
    "StartPolicyTrial": Route(
        "POST", "/v1/policy/trial", frozenset([]),
        frozenset([]),
        frozenset(['policy']),
        models.PolicyTrialView, False),
    "GetPolicyTrial": Route(
        "GET", "/v1/policy/trial", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.PolicyTrialView, False),
    "ListAuditEntries": Route(
        "GET", "/v1/audit", frozenset([]),
        frozenset(['account', 'kind', 'lease', 'node', 'order', 'page_size', 'page_token', 'since', 'until']),
        frozenset([]),
        models.ListAuditEntriesResponse, False),
    "CreateWebhook": Route(
        "POST", "/v1/webhooks", frozenset([]),
        frozenset([]),
        frozenset(['everyone', 'kinds', 'label', 'url']),
        models.WebhookSecretResponse, False),
    "ListWebhooks": Route(
        "GET", "/v1/webhooks", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.ListWebhooksResponse, False),
    "GetWebhook": Route(
        "GET", "/v1/webhooks/{webhook}", frozenset(['webhook']),
        frozenset([]),
        frozenset([]),
        models.WebhookView, False),
    "SetWebhook": Route(
        "PUT", "/v1/webhooks/{webhook}", frozenset(['webhook']),
        frozenset([]),
        frozenset(['everyone', 'kinds', 'label', 'url']),
        models.WebhookView, False),
    "RemoveWebhook": Route(
        "DELETE", "/v1/webhooks/{webhook}", frozenset(['webhook']),
        frozenset([]),
        frozenset([]),
        models.WebhookView, False),
    "ChangeWebhookSecret": Route(
        "POST", "/v1/webhooks/{webhook}/secret", frozenset(['webhook']),
        frozenset([]),
        frozenset([]),
        models.WebhookSecretResponse, False),
    "ListDeliveries": Route(
        "GET", "/v1/webhooks/{webhook}/deliveries", frozenset(['webhook']),
        frozenset(['page_size', 'page_token']),
        frozenset([]),
        models.ListDeliveriesResponse, False),
    "ReplayWebhook": Route(
        "POST", "/v1/webhooks/{webhook}/replay", frozenset(['webhook']),
        frozenset([]),
        frozenset(['delivery', 'since']),
        models.WebhookView, False),
    "ListMembers": Route(
        "GET", "/v1/members", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.ListMembersResponse, False),
    "SetMember": Route(
        "PUT", "/v1/members/{member}", frozenset(['member']),
        frozenset([]),
        frozenset(['role']),
        models.MemberView, False),
    "RemoveMember": Route(
        "DELETE", "/v1/members/{member}", frozenset(['member']),
        frozenset([]),
        frozenset([]),
        models.MemberView, False),
    "ListTeams": Route(
        "GET", "/v1/teams", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.ListTeamsResponse, False),
    "JoinTeam": Route(
        "PUT", "/v1/teams/{team}", frozenset(['team']),
        frozenset([]),
        frozenset([]),
        models.MemberView, False),
    "LeaveTeam": Route(
        "DELETE", "/v1/teams/{team}", frozenset(['team']),
        frozenset([]),
        frozenset([]),
        models.MemberView, False),
    "CreateSession": Route(
        "POST", "/v1/session", frozenset([]),
        frozenset([]),
        frozenset(['api_key']),
        models.SessionView, False),
    "GetSession": Route(
        "GET", "/v1/session", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.SessionView, False),
    "DeleteSession": Route(
        "DELETE", "/v1/session", frozenset([]),
        frozenset([]),
        frozenset([]),
        models.DeleteSessionResponse, False),
}
