"""What the API answers: frozen values, money as Decimal. Made from docs/openapi.json by tools/generate_models.py; do not edit."""

import dataclasses
from datetime import datetime, timedelta
from decimal import Decimal
from typing import List, Optional

from ._wire import OpenEnum


class Blame(OpenEnum):
    BLAME_NONE = "BLAME_NONE"
    BLAME_RENTER = "BLAME_RENTER"
    BLAME_PROVIDER = "BLAME_PROVIDER"
    BLAME_OWNER = "BLAME_OWNER"
    BLAME_MARKET = "BLAME_MARKET"


class DeviceKind(OpenEnum):
    DEVICE_KIND_UNSPECIFIED = "DEVICE_KIND_UNSPECIFIED"
    GPU = "GPU"
    CPU = "CPU"


class EndReason(OpenEnum):
    END_REASON_UNSPECIFIED = "END_REASON_UNSPECIFIED"
    COMPLETED = "COMPLETED"
    EXIT_CODE = "EXIT_CODE"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    TIME_LIMIT = "TIME_LIMIT"
    FUNDS = "FUNDS"
    STOPPED = "STOPPED"
    INPUT_INVALID = "INPUT_INVALID"
    DISK_LIMIT = "DISK_LIMIT"
    DEVICE_FAULT = "DEVICE_FAULT"
    HOST_LOST = "HOST_LOST"
    START_FAILED = "START_FAILED"
    WORKLOAD_LOST = "WORKLOAD_LOST"
    NODE_WITHDRAWN = "NODE_WITHDRAWN"
    OWNER_RETURNED = "OWNER_RETURNED"
    PREEMPTED = "PREEMPTED"
    MARKET_FAULT = "MARKET_FAULT"
    GANG_FAILED = "GANG_FAILED"
    GANG_LOST = "GANG_LOST"
    GANG_BROKEN = "GANG_BROKEN"
    IMAGE_UNAVAILABLE = "IMAGE_UNAVAILABLE"
    STORE_FULL = "STORE_FULL"


class Isolation(OpenEnum):
    ISOLATION_UNSPECIFIED = "ISOLATION_UNSPECIFIED"
    BUBBLEWRAP = "BUBBLEWRAP"
    RUNC = "RUNC"
    GVISOR = "GVISOR"
    MICROVM = "MICROVM"


class LeaseState(OpenEnum):
    LEASE_STATE_UNSPECIFIED = "LEASE_STATE_UNSPECIFIED"
    PLACED = "PLACED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    STOPPING = "STOPPING"
    ENDED = "ENDED"


class LedgerKind(OpenEnum):
    LEDGER_KIND_UNSPECIFIED = "LEDGER_KIND_UNSPECIFIED"
    WALLET = "WALLET"
    HELD = "HELD"
    PENDING = "PENDING"
    EARNED = "EARNED"
    MARKET_FEE = "MARKET_FEE"
    RESERVE = "RESERVE"
    OUTSIDE = "OUTSIDE"
    OWED = "OWED"


class Network(OpenEnum):
    NETWORK_NONE = "NETWORK_NONE"
    EGRESS = "EGRESS"


class Objective(OpenEnum):
    OBJECTIVE_UNSPECIFIED = "OBJECTIVE_UNSPECIFIED"
    CHEAPEST = "CHEAPEST"
    FASTEST = "FASTEST"
    COST_TO_COMPLETE = "COST_TO_COMPLETE"


class OrderState(OpenEnum):
    ORDER_STATE_UNSPECIFIED = "ORDER_STATE_UNSPECIFIED"
    OPEN = "OPEN"
    ORDER_DONE = "ORDER_DONE"
    ORDER_FAILED = "ORDER_FAILED"
    ORDER_STOPPED = "ORDER_STOPPED"


class OwnerAct(OpenEnum):
    OWNER_ACT_UNSPECIFIED = "OWNER_ACT_UNSPECIFIED"
    OWNER_CAME = "OWNER_CAME"
    OWNER_LEFT = "OWNER_LEFT"
    OWNER_PAUSED_NODE = "OWNER_PAUSED_NODE"
    LEASE_SUSPENDED = "LEASE_SUSPENDED"
    LEASE_RESUMED = "LEASE_RESUMED"
    LEASE_EVICTED = "LEASE_EVICTED"


class OwnerState(OpenEnum):
    OWNER_STATE_UNSPECIFIED = "OWNER_STATE_UNSPECIFIED"
    OWNER_AWAY = "OWNER_AWAY"
    OWNER_PRESENT = "OWNER_PRESENT"
    OWNER_PAUSED = "OWNER_PAUSED"


class PayoutState(OpenEnum):
    PAYOUT_STATE_UNSPECIFIED = "PAYOUT_STATE_UNSPECIFIED"
    PAYOUT_OPEN = "PAYOUT_OPEN"
    PAYOUT_PAID = "PAYOUT_PAID"
    PAYOUT_RETURNED = "PAYOUT_RETURNED"


class ProofOutcome(OpenEnum):
    PROOF_OUTCOME_UNSPECIFIED = "PROOF_OUTCOME_UNSPECIFIED"
    PROOF_PASSED = "PROOF_PASSED"
    PROOF_SLOW = "PROOF_SLOW"
    PROOF_WRONG = "PROOF_WRONG"
    PROOF_MISSED = "PROOF_MISSED"


class ProofState(OpenEnum):
    PROOF_STATE_UNSPECIFIED = "PROOF_STATE_UNSPECIFIED"
    PROVEN = "PROVEN"
    SLOW = "SLOW"
    DISPROVEN = "DISPROVEN"
    UNANSWERED = "UNANSWERED"
    LAPSED = "LAPSED"


class Refusal(OpenEnum):
    REFUSAL_UNSPECIFIED = "REFUSAL_UNSPECIFIED"
    ACCOUNT_UNKNOWN = "ACCOUNT_UNKNOWN"
    NOT_ALLOWED = "NOT_ALLOWED"
    NO_MATCH = "NO_MATCH"
    NO_FUNDS = "NO_FUNDS"
    OVER_BUDGET = "OVER_BUDGET"
    QUOTE_GONE = "QUOTE_GONE"
    QUERY_INVALID = "QUERY_INVALID"
    VALUE_INVALID = "VALUE_INVALID"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_ENDED = "ALREADY_ENDED"
    LIMIT_REACHED = "LIMIT_REACHED"
    KEY_REUSED = "KEY_REUSED"
    TOKEN_INVALID = "TOKEN_INVALID"
    TIER_NOT_OFFERED = "TIER_NOT_OFFERED"
    NODE_KEY_TAKEN = "NODE_KEY_TAKEN"
    STALE = "STALE"


class Role(OpenEnum):
    ROLE_UNSPECIFIED = "ROLE_UNSPECIFIED"
    VIEWER = "VIEWER"
    BILLING = "BILLING"
    MEMBER = "MEMBER"
    OWNER = "OWNER"


class Scope(OpenEnum):
    SCOPE_UNSPECIFIED = "SCOPE_UNSPECIFIED"
    RENTER = "RENTER"
    PROVIDER = "PROVIDER"
    OPERATOR = "OPERATOR"


class TaskState(OpenEnum):
    TASK_STATE_UNSPECIFIED = "TASK_STATE_UNSPECIFIED"
    WAITING = "WAITING"
    LEASED = "LEASED"
    DONE = "DONE"
    FAILED = "FAILED"
    TASK_STOPPED = "TASK_STOPPED"


class ThrottleReason(OpenEnum):
    THROTTLE_REASON_UNSPECIFIED = "THROTTLE_REASON_UNSPECIFIED"
    THROTTLED_BY_POWER = "THROTTLED_BY_POWER"
    THROTTLED_BY_HEAT = "THROTTLED_BY_HEAT"
    THROTTLED_BY_SUPPLY = "THROTTLED_BY_SUPPLY"
    THROTTLED_BY_HARDWARE = "THROTTLED_BY_HARDWARE"


class Tier(OpenEnum):
    TIER_UNSPECIFIED = "TIER_UNSPECIFIED"
    ON_DEMAND = "ON_DEMAND"
    RESERVED = "RESERVED"
    SPOT = "SPOT"


class TransferReason(OpenEnum):
    TRANSFER_REASON_UNSPECIFIED = "TRANSFER_REASON_UNSPECIFIED"
    DEPOSITED = "DEPOSITED"
    HOLD_PLACED = "HOLD_PLACED"
    CHARGED = "CHARGED"
    FEE = "FEE"
    REFUNDED = "REFUNDED"
    FEE_RETURNED = "FEE_RETURNED"
    HOLD_VOIDED = "HOLD_VOIDED"
    RELEASED = "RELEASED"
    WITHDRAWN = "WITHDRAWN"
    WITHDRAWAL_RETURNED = "WITHDRAWAL_RETURNED"
    DEPOSIT_REVERSED = "DEPOSIT_REVERSED"
    DEBT_PAID = "DEBT_PAID"
    CHARGED_BACK = "CHARGED_BACK"


class TrialState(OpenEnum):
    TRIAL_STATE_UNSPECIFIED = "TRIAL_STATE_UNSPECIFIED"
    TRIAL_RUNNING = "TRIAL_RUNNING"
    TRIAL_DONE = "TRIAL_DONE"
    TRIAL_FAILED = "TRIAL_FAILED"


class WaitReason(OpenEnum):
    WAIT_REASON_UNSPECIFIED = "WAIT_REASON_UNSPECIFIED"
    WAITS_FOR_NODE = "WAITS_FOR_NODE"
    WAITS_FOR_PRICE = "WAITS_FOR_PRICE"
    WAITS_TO_RETRY = "WAITS_TO_RETRY"


class WorkloadClass(OpenEnum):
    WORKLOAD_CLASS_UNSPECIFIED = "WORKLOAD_CLASS_UNSPECIFIED"
    GENERAL = "GENERAL"
    FP32 = "FP32"
    FP16 = "FP16"
    BANDWIDTH = "BANDWIDTH"


@dataclasses.dataclass(frozen=True)
class AccountOpened:
    account: int = 0


@dataclasses.dataclass(frozen=True)
class AccountView:
    id: int = 0
    name: str = ""
    scopes: List[Scope] = dataclasses.field(default_factory=list)
    created_at: Optional[datetime] = None


@dataclasses.dataclass(frozen=True)
class AuditEntryView:
    index: int = 0
    ordinal: int = 0
    at: Optional[datetime] = None
    actor: int = 0
    command: str = ""
    kind: str = ""
    accounts: List[int] = dataclasses.field(default_factory=list)
    node: int = 0
    order: int = 0
    lease: int = 0
    event: Optional["Event"] = None


@dataclasses.dataclass(frozen=True)
class BoundQuote:
    issued_at_us: int = 0
    expires_at_us: int = 0
    task_hour_micros: int = 0
    total_micros: int = 0
    tasks: int = 0
    requirements: Optional["Requirements"] = None
    egress_gb_micros: int = 0


@dataclasses.dataclass(frozen=True)
class BudgetSet:
    account: int = 0
    project: str = ""


@dataclasses.dataclass(frozen=True)
class CheckpointTaken:
    lease: int = 0
    order: int = 0
    task: int = 0
    sequence: int = 0
    manifest: bytes = b""
    former: bytes = b""


@dataclasses.dataclass(frozen=True)
class CreateAccountResponse:
    account: Optional["AccountView"] = None
    api_key: str = ""


@dataclasses.dataclass(frozen=True)
class CreateKeyResponse:
    key: Optional["KeyView"] = None
    api_key: str = ""


@dataclasses.dataclass(frozen=True)
class DeleteSessionResponse:
    pass


@dataclasses.dataclass(frozen=True)
class DeliverSecretsResponse:
    pass


@dataclasses.dataclass(frozen=True)
class DeliveryView:
    id: str = ""
    kind: str = ""
    index: int = 0
    happened_at: Optional[datetime] = None
    attempts: int = 0
    tried_at: Optional[datetime] = None
    delivered: bool = False
    status: int = 0
    trouble: str = ""


@dataclasses.dataclass(frozen=True)
class DepositReversed:
    account: int = 0
    amount_micros: int = 0
    owed_micros: int = 0


@dataclasses.dataclass(frozen=True)
class Device:
    index: int = 0
    uuid: str = ""
    model: str = ""
    kind: DeviceKind = DeviceKind.DEVICE_KIND_UNSPECIFIED
    memory_mb: int = 0
    driver: str = ""
    proof: Optional["DeviceProof"] = None


@dataclasses.dataclass(frozen=True)
class DeviceChecked:
    node: int = 0
    device: int = 0
    proof: int = 0
    outcome: ProofOutcome = ProofOutcome.PROOF_OUTCOME_UNSPECIFIED
    state: Optional["DeviceProof"] = None
    excused: bool = False
    lease: int = 0


@dataclasses.dataclass(frozen=True)
class DeviceCountsView:
    nodes: int = 0
    nodes_connected: int = 0
    nodes_occupied: int = 0
    devices: int = 0
    devices_leased: float = 0.0
    devices_free: float = 0.0


@dataclasses.dataclass(frozen=True)
class DeviceProof:
    state: ProofState = ProofState.PROOF_STATE_UNSPECIFIED
    at_us: int = 0
    misses: int = 0
    detail: str = ""
    memory_mb: int = 0
    speeds: Optional["DeviceSpeeds"] = None


@dataclasses.dataclass(frozen=True)
class DeviceSample:
    device: int = 0
    percent: Optional[int] = None
    memory_mb: Optional[int] = None
    milliwatts: Optional[int] = None
    celsius: Optional[int] = None
    core_mhz: Optional[int] = None
    memory_mhz: Optional[int] = None
    throttled_by: List[ThrottleReason] = dataclasses.field(default_factory=list)
    ecc_corrected: Optional[int] = None
    ecc_uncorrected: Optional[int] = None
    xid: int = 0
    slowed_thousandths: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class DeviceSpeeds:
    int8_mops: int = 0
    fill_mbps: int = 0
    fp16_mflops: int = 0
    fp32_mflops: int = 0
    fp64_mflops: int = 0
    copy_mbps: int = 0


@dataclasses.dataclass(frozen=True)
class EarningsView:
    day: str = ""
    node: int = 0
    node_name: str = ""
    devices: List[int] = dataclasses.field(default_factory=list)
    leases: int = 0
    earned: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class EnvironmentVariable:
    name: str = ""
    value: str = ""


@dataclasses.dataclass(frozen=True)
class Event:
    refused: Optional["Refused"] = None
    repeated: Optional["Repeated"] = None
    founded: Optional["Founded"] = None
    policy_set: Optional["PolicySet"] = None
    account_opened: Optional["AccountOpened"] = None
    key_added: Optional["KeyAdded"] = None
    key_revoked: Optional["KeyRevoked"] = None
    transferred: Optional["Transferred"] = None
    payout_requested: Optional["PayoutRequested"] = None
    payout_settled: Optional["PayoutSettled"] = None
    budget_set: Optional["BudgetSet"] = None
    join_token_created: Optional["JoinTokenCreated"] = None
    node_joined: Optional["NodeJoined"] = None
    node_changed: Optional["NodeChanged"] = None
    node_removed: Optional["NodeRemoved"] = None
    offer_changed: Optional["OfferChanged"] = None
    order_accepted: Optional["OrderAccepted"] = None
    task_changed: Optional["TaskChanged"] = None
    order_ended: Optional["OrderEnded"] = None
    lease_placed: Optional["LeasePlaced"] = None
    lease_changed: Optional["LeaseChanged"] = None
    meter_accepted: Optional["MeterAccepted"] = None
    lease_ended: Optional["LeaseEnded"] = None
    resumed: Optional["Resumed"] = None
    price_moved: Optional["PriceMoved"] = None
    spot_priced: Optional["SpotPriced"] = None
    speed_set: Optional["SpeedSet"] = None
    survival_set: Optional["SurvivalSet"] = None
    proof_started: Optional["ProofStarted"] = None
    device_checked: Optional["DeviceChecked"] = None
    forecast_set: Optional["ForecastSet"] = None
    checkpoint_taken: Optional["CheckpointTaken"] = None
    webhook_set: Optional["WebhookSet"] = None
    webhook_removed: Optional["WebhookRemoved"] = None
    webhook_stopped: Optional["WebhookStopped"] = None
    member_set: Optional["MemberSet"] = None
    lease_credited: Optional["LeaseCredited"] = None
    order_extended: Optional["OrderExtended"] = None
    lease_extended: Optional["LeaseExtended"] = None
    deposit_reversed: Optional["DepositReversed"] = None


@dataclasses.dataclass(frozen=True)
class ExtensionView:
    order: int = 0
    task_time: Optional[timedelta] = None
    tasks: int = 0
    price_per_hour: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class FeedEvent:
    index: int = 0
    at: Optional[datetime] = None
    event: Optional["Event"] = None


@dataclasses.dataclass(frozen=True)
class ForecastSet:
    classes: int = 0


@dataclasses.dataclass(frozen=True)
class ForecastView:
    at: Optional[datetime] = None
    model: str = ""
    region: str = ""
    free_share: Optional["LikelyView"] = None
    devices_offered: Optional["LikelyView"] = None
    demand: Optional["LikelyView"] = None
    use: float = 0.0
    days_known: int = 0


@dataclasses.dataclass(frozen=True)
class Founded:
    operator_account: int = 0


@dataclasses.dataclass(frozen=True)
class HostSample:
    cpu_thousandths: Optional[int] = None
    memory_mb: Optional[int] = None
    disk_read_kbps: Optional[int] = None
    disk_written_kbps: Optional[int] = None
    network_in_kbps: Optional[int] = None
    network_out_kbps: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class JoinTokenCreated:
    account: int = 0


@dataclasses.dataclass(frozen=True)
class JoinTokenResponse:
    token: str = ""
    expires_at: Optional[datetime] = None


@dataclasses.dataclass(frozen=True)
class KeyAdded:
    account: int = 0
    key: str = ""


@dataclasses.dataclass(frozen=True)
class KeyRevoked:
    account: int = 0
    key: str = ""


@dataclasses.dataclass(frozen=True)
class KeyView:
    id: str = ""
    account: int = 0
    scopes: List[Scope] = dataclasses.field(default_factory=list)
    label: str = ""
    expires_at: Optional[datetime] = None
    role: Role = Role.ROLE_UNSPECIFIED
    last_used_at: Optional[datetime] = None
    created_at: Optional[datetime] = None


@dataclasses.dataclass(frozen=True)
class LeaseChanged:
    lease: int = 0
    node: int = 0
    state: LeaseState = LeaseState.LEASE_STATE_UNSPECIFIED
    reason: EndReason = EndReason.END_REASON_UNSPECIFIED


@dataclasses.dataclass(frozen=True)
class LeaseCredited:
    lease: int = 0
    order: int = 0
    node: int = 0
    account: int = 0
    slowed_us: int = 0
    proven_us: int = 0
    credited_micros: int = 0


@dataclasses.dataclass(frozen=True)
class LeaseEnded:
    lease: int = 0
    order: int = 0
    task: int = 0
    node: int = 0
    account: int = 0
    reason: EndReason = EndReason.END_REASON_UNSPECIFIED
    blame: Blame = Blame.BLAME_NONE
    proven_us: int = 0
    charged_micros: int = 0
    refunded_micros: int = 0
    fee_micros: int = 0
    rerated_hour_micros: int = 0
    paid_wait: Optional["PaidWait"] = None
    egress_bytes: int = 0
    egress_micros: int = 0


@dataclasses.dataclass(frozen=True)
class LeaseExtended:
    lease: int = 0
    order: int = 0
    task: int = 0
    node: int = 0
    account: int = 0
    hold_micros: int = 0
    time_us_max: int = 0


@dataclasses.dataclass(frozen=True)
class LeasePlaced:
    lease: int = 0
    order: int = 0
    task: int = 0
    node: int = 0
    account: int = 0
    rate_hour_micros: int = 0
    hold_micros: int = 0
    device_hour_micros: int = 0
    disk_gb_hour_micros: int = 0
    discounts: Optional["TermDiscounts"] = None
    volume_basis_points: int = 0
    spot_bid_micros: int = 0
    spot_floor_micros: int = 0
    slow_basis_points: int = 0
    egress_gb_micros: int = 0
    egress_bytes_max: int = 0


@dataclasses.dataclass(frozen=True)
class LeaseView:
    id: int = 0
    order: int = 0
    task: int = 0
    attempt: int = 0
    account: int = 0
    node: int = 0
    node_name: str = ""
    devices: List[int] = dataclasses.field(default_factory=list)
    state: LeaseState = LeaseState.LEASE_STATE_UNSPECIFIED
    reason: EndReason = EndReason.END_REASON_UNSPECIFIED
    blame: Blame = Blame.BLAME_NONE
    exit_code: int = 0
    detail: str = ""
    price_per_hour: Decimal = Decimal(0)
    placed_at: Optional[datetime] = None
    started_at: Optional[datetime] = None
    ended_at: Optional[datetime] = None
    proven: Optional[timedelta] = None
    held: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    output_manifest: str = ""
    tier: Tier = Tier.TIER_UNSPECIFIED
    image_digest: str = ""
    checkpoint_manifest: str = ""
    checkpoint_at: Optional[datetime] = None
    checkpoints: int = 0
    credited: Decimal = Decimal(0)
    slowed: Optional[timedelta] = None
    time_max: Optional[timedelta] = None
    egress_gb: float = 0.0
    egress_gb_max: float = 0.0
    egress_price_per_gb: Optional[Decimal] = None
    egress_charged: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class LikelyView:
    p10: float = 0.0
    p50: float = 0.0
    p90: float = 0.0


@dataclasses.dataclass(frozen=True)
class ListAccountsResponse:
    accounts: List["AccountView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListAuditEntriesResponse:
    entries: List["AuditEntryView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListClassesResponse:
    classes: List["PriceView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListDeliveriesResponse:
    deliveries: List["DeliveryView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListEarningsResponse:
    earnings: List["EarningsView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListForecastResponse:
    hours: List["ForecastView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListKeysResponse:
    keys: List["KeyView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListLeasesResponse:
    leases: List["LeaseView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListMembersResponse:
    members: List["MemberView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListNodesResponse:
    nodes: List["NodeView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListOffersResponse:
    offers: List["OfferView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListOrdersResponse:
    orders: List["OrderView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListOwnerNotesResponse:
    notes: List["OwnerNoteView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListPayoutsResponse:
    payouts: List["PayoutView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListPricesResponse:
    prices: List["PriceView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListRegionsResponse:
    regions: List["RegionView"] = dataclasses.field(default_factory=list)
    counts: Optional["DeviceCountsView"] = None
    others: Optional["DeviceCountsView"] = None


@dataclasses.dataclass(frozen=True)
class ListSecretAsksResponse:
    asks: List["SecretAskView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListSpeedsResponse:
    speeds: List["SpeedView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListTasksResponse:
    tasks: List["TaskView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListTeamsResponse:
    teams: List["MemberView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListTelemetryResponse:
    minutes: List["TelemetryMinuteView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListTransfersResponse:
    transfers: List["TransferView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class ListWebhooksResponse:
    webhooks: List["WebhookView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class ListWithdrawalsResponse:
    payouts: List["PayoutView"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class LogLine:
    lease: int = 0
    task: int = 0
    error_stream: bool = False
    offset: int = 0
    data: bytes = b""
    last: bool = False


@dataclasses.dataclass(frozen=True)
class MarketView:
    name: str = ""
    currency: str = ""
    public_key: str = ""
    policy: Optional["Policy"] = None
    last_index: int = 0
    digest: str = ""
    log_head: str = ""
    now: Optional[datetime] = None
    nodes_connected: int = 0
    devices_total: int = 0
    leases_open: int = 0
    orders_open: int = 0


@dataclasses.dataclass(frozen=True)
class MemberSet:
    account: int = 0
    member: int = 0
    role: Role = Role.ROLE_UNSPECIFIED
    invited: bool = False


@dataclasses.dataclass(frozen=True)
class MemberView:
    account: int = 0
    account_name: str = ""
    member: int = 0
    member_name: str = ""
    role: Role = Role.ROLE_UNSPECIFIED
    invited: bool = False


@dataclasses.dataclass(frozen=True)
class MeterAccepted:
    record: Optional["MeterRecord"] = None
    proven_us: int = 0
    charged_micros: int = 0
    rate_hour_micros: int = 0


@dataclasses.dataclass(frozen=True)
class MeterRecord:
    lease: int = 0
    sequence: int = 0
    running_us: int = 0
    measured_at_us: int = 0
    signature: bytes = b""
    slowed_us: int = 0
    egress_bytes: int = 0


@dataclasses.dataclass(frozen=True)
class NodeChanged:
    node: int = 0
    connected: bool = False
    owner: OwnerState = OwnerState.OWNER_STATE_UNSPECIFIED


@dataclasses.dataclass(frozen=True)
class NodeFacts:
    name: str = ""
    region: str = ""
    cpu_thousandths: int = 0
    memory_mb: int = 0
    disk_mb: int = 0
    download_mbps: int = 0
    upload_mbps: int = 0
    isolation: Isolation = Isolation.ISOLATION_UNSPECIFIED
    devices: List["Device"] = dataclasses.field(default_factory=list)
    agent_version: str = ""
    lan: str = ""
    images: bool = False
    network: Network = Network.NETWORK_NONE
    rack: str = ""
    proves_beside_leases: bool = False
    proves_in_leases: bool = False


@dataclasses.dataclass(frozen=True)
class NodeJoined:
    node: int = 0
    account: int = 0


@dataclasses.dataclass(frozen=True)
class NodeRemoved:
    node: int = 0


@dataclasses.dataclass(frozen=True)
class NodeView:
    id: int = 0
    provider: int = 0
    facts: Optional["NodeFacts"] = None
    connected: bool = False
    owner: OwnerState = OwnerState.OWNER_STATE_UNSPECIFIED
    reliability: float = 0.0
    joined_at: Optional[datetime] = None
    seen_at: Optional[datetime] = None
    leases_running: int = 0
    offer: Optional["OfferView"] = None


@dataclasses.dataclass(frozen=True)
class OfferChanged:
    offer: int = 0
    node: int = 0
    withdrawn: bool = False


@dataclasses.dataclass(frozen=True)
class OfferView:
    id: int = 0
    node: int = 0
    provider: int = 0
    node_name: str = ""
    gpu_name: str = ""
    device_kind: DeviceKind = DeviceKind.DEVICE_KIND_UNSPECIFIED
    num_gpus: int = 0
    free_thousandths: int = 0
    gpu_ram_gb: float = 0.0
    price_per_hour: Decimal = Decimal(0)
    disk_price_per_gb_hour: Decimal = Decimal(0)
    region: str = ""
    reliability: float = 0.0
    cpu_cores: float = 0.0
    cpu_ram_gb: float = 0.0
    disk_gb: float = 0.0
    download_mbps: int = 0
    upload_mbps: int = 0
    isolation: Isolation = Isolation.ISOLATION_UNSPECIFIED
    available: bool = False
    price_floor_per_hour: Optional[Decimal] = None
    price_ceiling_per_hour: Optional[Decimal] = None
    discounts: Optional["TermDiscounts"] = None
    spot_floor_per_hour: Optional[Decimal] = None
    spot_price_per_hour: Optional[Decimal] = None
    lan: str = ""
    speed: float = 0.0
    lasting_day: float = 0.0
    network: Network = Network.NETWORK_NONE
    share_min: float = 0.0
    hours_max: float = 0.0
    spot_floor_set_per_hour: Optional[Decimal] = None
    gpus_verified: int = 0
    rack: str = ""
    egress_price_per_gb: Optional[Decimal] = None


@dataclasses.dataclass(frozen=True)
class OrderAccepted:
    order: int = 0
    account: int = 0
    budget_micros: int = 0


@dataclasses.dataclass(frozen=True)
class OrderEnded:
    order: int = 0
    account: int = 0
    state: OrderState = OrderState.ORDER_STATE_UNSPECIFIED
    charged_micros: int = 0


@dataclasses.dataclass(frozen=True)
class OrderExtended:
    order: int = 0
    account: int = 0
    more_us: int = 0
    duration_us: int = 0
    added_micros: int = 0
    budget_micros: int = 0


@dataclasses.dataclass(frozen=True)
class OrderView:
    id: int = 0
    account: int = 0
    name: str = ""
    state: OrderState = OrderState.ORDER_STATE_UNSPECIFIED
    created_at: Optional[datetime] = None
    ended_at: Optional[datetime] = None
    tasks_total: int = 0
    tasks_done: int = 0
    tasks_running: int = 0
    tasks_waiting: int = 0
    tasks_failed: int = 0
    budget: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    charged: Decimal = Decimal(0)
    requirements: Optional["Requirements"] = None
    workload: Optional["Workload"] = None
    tasks: List["TaskView"] = dataclasses.field(default_factory=list)
    rescued: int = 0
    project: str = ""
    deadline: Optional[datetime] = None
    waits_for: WaitReason = WaitReason.WAIT_REASON_UNSPECIFIED
    price_per_hour_max: str = ""
    free_price_per_hour: Decimal = Decimal(0)
    retry_at: Optional[datetime] = None


@dataclasses.dataclass(frozen=True)
class OwnerNoteView:
    at: Optional[datetime] = None
    act: OwnerAct = OwnerAct.OWNER_ACT_UNSPECIFIED
    why: str = ""
    lease: int = 0


@dataclasses.dataclass(frozen=True)
class PaidWait:
    model: str = ""
    region: str = ""
    thousandths: int = 0
    from_us: int = 0
    until_us: int = 0
    device_hour_micros_max: int = 0


@dataclasses.dataclass(frozen=True)
class PayoutRequested:
    payout: int = 0
    account: int = 0
    amount_micros: int = 0
    destination: str = ""


@dataclasses.dataclass(frozen=True)
class PayoutSettled:
    payout: int = 0
    paid: bool = False
    account: int = 0


@dataclasses.dataclass(frozen=True)
class PayoutView:
    id: int = 0
    account: int = 0
    amount: Decimal = Decimal(0)
    destination: str = ""
    requested_at: Optional[datetime] = None
    state: PayoutState = PayoutState.PAYOUT_STATE_UNSPECIFIED
    settled_at: Optional[datetime] = None
    reference: str = ""


@dataclasses.dataclass(frozen=True)
class Policy:
    meter_interval_us: int = 0
    suspend_after_us: int = 0
    close_after_us: int = 0
    start_timeout_us: int = 0
    stop_grace_us: int = 0
    owner_notice_us: int = 0
    fee_basis_points: int = 0
    payout_delay_us: int = 0
    quote_ttl_us: int = 0
    attempts_max: int = 0
    price_interval_us: int = 0
    price_step_basis_points: int = 0
    use_target_basis_points: int = 0
    volume_discounts: List["VolumeDiscount"] = dataclasses.field(default_factory=list)
    spot_min_run_us: int = 0
    spot_cool_down_us: int = 0
    spot_notice_us: int = 0
    start_cost_us: int = 0
    fragmentation_basis_points: int = 0
    survival_basis_points: int = 0
    locality_basis_points: int = 0
    retry_delay_us: int = 0
    retry_delay_us_max: int = 0
    proof_interval_us: int = 0
    waits_for_fence: bool = False
    forecast_basis_points: int = 0
    credit_basis_points_max: int = 0
    scarcity_basis_points: int = 0
    deadlines_by_forecast: bool = False
    bounds_meters: bool = False
    weighs_kept_time: bool = False
    pull_timeout_us: int = 0
    fair_turns: bool = False
    counts_until_stop: bool = False
    firm_turns: bool = False
    firm_proofs: bool = False
    holds_deposits: bool = False
    keeps_device_records: bool = False
    lease_proof_basis_points: int = 0
    prices_egress: bool = False


@dataclasses.dataclass(frozen=True)
class PolicySet:
    pass


@dataclasses.dataclass(frozen=True)
class PolicyTrialView:
    state: TrialState = TrialState.TRIAL_STATE_UNSPECIFIED
    started_at: Optional[datetime] = None
    ended_at: Optional[datetime] = None
    detail: str = ""
    policy: Optional["Policy"] = None
    present: Optional["Policy"] = None
    span_from: Optional[datetime] = None
    span_until: Optional[datetime] = None
    first_index: int = 0
    last_index: int = 0
    snapshot_index: int = 0
    fact: Optional["TrialFigures"] = None
    now: Optional["TrialFigures"] = None
    tried: Optional["TrialFigures"] = None
    difference: Optional["TrialDifference"] = None
    refusals: List["TrialRefusal"] = dataclasses.field(default_factory=list)
    notes: List[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class PriceMoved:
    model: str = ""
    region: str = ""
    open_micros: int = 0
    close_micros: int = 0
    low_micros: int = 0
    high_micros: int = 0
    mean_micros: int = 0
    trades: int = 0
    traded_thousandths: int = 0
    use_basis_points: int = 0
    offered_thousandths: int = 0
    began_at_us: int = 0
    offered_ms: int = 0
    leased_ms: int = 0
    expected_use_basis_points: int = 0


@dataclasses.dataclass(frozen=True)
class PricePart:
    name: str = ""
    price_per_hour: Optional[Decimal] = None
    total: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class PriceView:
    at: Optional[datetime] = None
    model: str = ""
    region: str = ""
    open: Decimal = Decimal(0)
    close: Decimal = Decimal(0)
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    mean: Decimal = Decimal(0)
    leases: int = 0
    devices_leased: float = 0.0
    use: float = 0.0
    devices_offered: float = 0.0


@dataclasses.dataclass(frozen=True)
class Problem:
    type: str = ""
    title: str = ""
    status: int = 0
    detail: str = ""
    code: str = ""
    field: str = ""
    column: int = 0
    relaxations: List["RelaxationView"] = dataclasses.field(default_factory=list)
    next_quote: Optional["QuoteView"] = None


@dataclasses.dataclass(frozen=True)
class ProjectView:
    name: str = ""
    budget: Optional[Decimal] = None
    used: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class ProofStarted:
    node: int = 0
    proof: int = 0
    lease: int = 0


@dataclasses.dataclass(frozen=True)
class QuoteView:
    id: str = ""
    expires_at: Optional[datetime] = None
    task_price_per_hour: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    parts: List["PricePart"] = dataclasses.field(default_factory=list)
    tasks: int = 0
    tasks_at_once: int = 0
    offers: List["OfferView"] = dataclasses.field(default_factory=list)
    requirements: Optional["Requirements"] = None
    egress_price_per_gb: Optional[Decimal] = None


@dataclasses.dataclass(frozen=True)
class Receipt:
    body: bytes = b""
    signature: bytes = b""
    market_public_key: bytes = b""


@dataclasses.dataclass(frozen=True)
class Refused:
    code: Refusal = Refusal.REFUSAL_UNSPECIFIED
    message: str = ""
    field: str = ""
    column: int = 0
    relaxations: List["Relaxation"] = dataclasses.field(default_factory=list)
    next_quote: Optional["BoundQuote"] = None


@dataclasses.dataclass(frozen=True)
class RegionModelView:
    model: str = ""
    counts: Optional["DeviceCountsView"] = None


@dataclasses.dataclass(frozen=True)
class RegionView:
    region: str = ""
    counts: Optional["DeviceCountsView"] = None
    models: List["RegionModelView"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Relaxation:
    field: str = ""
    change: str = ""
    task_hour_micros: int = 0


@dataclasses.dataclass(frozen=True)
class RelaxationView:
    field: str = ""
    change: str = ""
    task_price_per_hour: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class Repeated:
    first_index: int = 0
    entity: int = 0


@dataclasses.dataclass(frozen=True)
class Requirements:
    query: str = ""
    gpus: int = 0
    device_thousandths: int = 0
    tier: Tier = Tier.TIER_UNSPECIFIED
    objective: Objective = Objective.OBJECTIVE_UNSPECIFIED
    duration_us: int = 0
    price_per_hour_micros_max: int = 0
    memory_mb: int = 0
    cpu_thousandths: int = 0
    disk_mb: int = 0
    network: Network = Network.NETWORK_NONE
    isolation_min: Isolation = Isolation.ISOLATION_UNSPECIFIED
    nodes: int = 0
    workload_class: WorkloadClass = WorkloadClass.WORKLOAD_CLASS_UNSPECIFIED
    near: str = ""
    egress_mb_max: int = 0


@dataclasses.dataclass(frozen=True)
class Resumed:
    pass


@dataclasses.dataclass(frozen=True)
class SecretAskView:
    lease: int = 0
    node: int = 0
    node_name: str = ""
    node_key: str = ""
    public_key: str = ""
    signature: str = ""


@dataclasses.dataclass(frozen=True)
class SessionView:
    account: Optional["AccountView"] = None
    scopes: List[Scope] = dataclasses.field(default_factory=list)
    key: str = ""
    expires_at: Optional[datetime] = None
    role: Role = Role.ROLE_UNSPECIFIED
    member: int = 0


@dataclasses.dataclass(frozen=True)
class SpeedSet:
    model: str = ""
    workload_class: WorkloadClass = WorkloadClass.WORKLOAD_CLASS_UNSPECIFIED
    speed_thousandths: int = 0


@dataclasses.dataclass(frozen=True)
class SpeedView:
    model: str = ""
    general: float = 0.0
    fp32: float = 0.0
    fp16: float = 0.0
    bandwidth: float = 0.0
    set: List[WorkloadClass] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class SpotPriced:
    model: str = ""
    region: str = ""
    price_micros: int = 0
    losing_micros: int = 0
    leases: int = 0


@dataclasses.dataclass(frozen=True)
class StatementBalance:
    available: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    pending: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)
    total: Decimal = Decimal(0)
    owed: Optional[Decimal] = None


@dataclasses.dataclass(frozen=True)
class StatementLine:
    lease: int = 0
    as_provider: bool = False
    order: int = 0
    task: int = 0
    name: str = ""
    project: str = ""
    tier: Tier = Tier.TIER_UNSPECIFIED
    charged: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    net: Decimal = Decimal(0)
    entries: int = 0
    first_at: Optional[datetime] = None
    last_at: Optional[datetime] = None
    receipt: str = ""


@dataclasses.dataclass(frozen=True)
class StatementMove:
    kind: LedgerKind = LedgerKind.LEDGER_KIND_UNSPECIFIED
    counter_kind: LedgerKind = LedgerKind.LEDGER_KIND_UNSPECIFIED
    reason: TransferReason = TransferReason.TRANSFER_REASON_UNSPECIFIED
    tier: Tier = Tier.TIER_UNSPECIFIED
    amount: Decimal = Decimal(0)
    entries: int = 0


@dataclasses.dataclass(frozen=True)
class StatementTier:
    tier: Tier = Tier.TIER_UNSPECIFIED
    as_provider: bool = False
    charged: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    net: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class StatementView:
    account: int = 0
    month: str = ""
    currency: str = ""
    complete: bool = False
    last_index: int = 0
    opening: Optional["StatementBalance"] = None
    closing: Optional["StatementBalance"] = None
    deposited: Decimal = Decimal(0)
    withdrawn: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)
    tiers: List["StatementTier"] = dataclasses.field(default_factory=list)
    moves: List["StatementMove"] = dataclasses.field(default_factory=list)
    lines: List["StatementLine"] = dataclasses.field(default_factory=list)
    next_page_token: str = ""


@dataclasses.dataclass(frozen=True)
class SurvivalSet:
    nodes: int = 0


@dataclasses.dataclass(frozen=True)
class TaskChanged:
    order: int = 0
    task: int = 0
    state: TaskState = TaskState.TASK_STATE_UNSPECIFIED
    lease: int = 0
    attempt: int = 0
    retry_at_us: int = 0


@dataclasses.dataclass(frozen=True)
class TaskView:
    index: int = 0
    state: TaskState = TaskState.TASK_STATE_UNSPECIFIED
    lease: int = 0
    node: int = 0
    node_name: str = ""
    attempts: int = 0
    last_reason: EndReason = EndReason.END_REASON_UNSPECIFIED
    last_blame: Blame = Blame.BLAME_NONE
    exit_code: int = 0
    detail: str = ""
    output_manifest: str = ""
    checkpoint_manifest: str = ""
    checkpoint_at: Optional[datetime] = None


@dataclasses.dataclass(frozen=True)
class TelemetryMinuteView:
    at: Optional[datetime] = None
    seconds: int = 0
    mean: Optional["TelemetrySample"] = None
    max: Optional["TelemetrySample"] = None


@dataclasses.dataclass(frozen=True)
class TelemetrySample:
    devices: List["DeviceSample"] = dataclasses.field(default_factory=list)
    workloads: List["WorkloadSample"] = dataclasses.field(default_factory=list)
    host: Optional["HostSample"] = None


@dataclasses.dataclass(frozen=True)
class TelemetryView:
    at: Optional[datetime] = None
    now: Optional["TelemetrySample"] = None


@dataclasses.dataclass(frozen=True)
class TermDiscounts:
    hour_basis_points: int = 0
    day_basis_points: int = 0
    week_basis_points: int = 0
    month_basis_points: int = 0


@dataclasses.dataclass(frozen=True)
class TransferView:
    index: int = 0
    at: Optional[datetime] = None
    amount: Decimal = Decimal(0)
    kind: LedgerKind = LedgerKind.LEDGER_KIND_UNSPECIFIED
    reason: TransferReason = TransferReason.TRANSFER_REASON_UNSPECIFIED
    lease: int = 0
    counterparty: int = 0


@dataclasses.dataclass(frozen=True)
class Transferred:
    from_account: int = 0
    from_kind: LedgerKind = LedgerKind.LEDGER_KIND_UNSPECIFIED
    to_account: int = 0
    to_kind: LedgerKind = LedgerKind.LEDGER_KIND_UNSPECIFIED
    amount_micros: int = 0
    reason: TransferReason = TransferReason.TRANSFER_REASON_UNSPECIFIED
    lease: int = 0


@dataclasses.dataclass(frozen=True)
class TrialDifference:
    orders_refused_only_now: int = 0
    orders_refused_only_tried: int = 0
    orders_placed_only_now: int = 0
    orders_placed_only_tried: int = 0
    orders_sooner: int = 0
    orders_later: int = 0
    orders_cheaper: int = 0
    orders_dearer: int = 0


@dataclasses.dataclass(frozen=True)
class TrialFigures:
    orders: int = 0
    orders_refused: int = 0
    orders_placed: int = 0
    orders_waiting: int = 0
    wait_seconds_mean: float = 0.0
    leases: int = 0
    leases_lost: int = 0
    leases_preempted: int = 0
    tasks_done: int = 0
    tasks_failed: int = 0
    charged: Decimal = Decimal(0)
    refunded: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)


@dataclasses.dataclass(frozen=True)
class TrialRefusal:
    code: Refusal = Refusal.REFUSAL_UNSPECIFIED
    orders_now: int = 0
    orders_tried: int = 0


@dataclasses.dataclass(frozen=True)
class VolumeDiscount:
    spent_micros_min: int = 0
    fee_basis_points: int = 0


@dataclasses.dataclass(frozen=True)
class WalletView:
    account: int = 0
    currency: str = ""
    available: Decimal = Decimal(0)
    held: Decimal = Decimal(0)
    pending: Decimal = Decimal(0)
    earned: Decimal = Decimal(0)
    month_budget: Optional[Decimal] = None
    month_used: Decimal = Decimal(0)
    spent_30_days: Decimal = Decimal(0)
    fee_let_off: float = 0.0
    total_budget: Optional[Decimal] = None
    total_used: Decimal = Decimal(0)
    projects: List["ProjectView"] = dataclasses.field(default_factory=list)
    owed: Optional[Decimal] = None


@dataclasses.dataclass(frozen=True)
class WebhookRemoved:
    webhook: int = 0
    account: int = 0


@dataclasses.dataclass(frozen=True)
class WebhookSecretResponse:
    webhook: Optional["WebhookView"] = None
    secret: str = ""


@dataclasses.dataclass(frozen=True)
class WebhookSet:
    webhook: int = 0
    account: int = 0


@dataclasses.dataclass(frozen=True)
class WebhookStopped:
    webhook: int = 0
    account: int = 0
    reason: str = ""


@dataclasses.dataclass(frozen=True)
class WebhookView:
    id: int = 0
    account: int = 0
    url: str = ""
    kinds: List[str] = dataclasses.field(default_factory=list)
    label: str = ""
    everyone: bool = False
    created_at: Optional[datetime] = None
    stopped_at: Optional[datetime] = None
    stop_reason: str = ""
    sent_index: int = 0
    failing_since: Optional[datetime] = None
    retry_at: Optional[datetime] = None
    secret_number: int = 0


@dataclasses.dataclass(frozen=True)
class Workload:
    image: str = ""
    command: List[str] = dataclasses.field(default_factory=list)
    environment: List["EnvironmentVariable"] = dataclasses.field(default_factory=list)
    input_manifest: bytes = b""
    collect_output: bool = False
    secrets: List[str] = dataclasses.field(default_factory=list)
    image_login: bool = False
    checkpoint_seconds: int = 0
    no_restart: bool = False


@dataclasses.dataclass(frozen=True)
class WorkloadSample:
    lease: int = 0
    cpu_thousandths: Optional[int] = None
    memory_mb: Optional[int] = None
    disk_read_kbps: Optional[int] = None
    disk_written_kbps: Optional[int] = None
    network_in_kbps: Optional[int] = None
    network_out_kbps: Optional[int] = None
