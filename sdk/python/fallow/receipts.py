"""Checks a receipt with nothing but its bytes and, to know whose it is, the market's public key.

docs/formats/receipt.md numbers the rules; each is one check here. Whole numbers only.
"""
import base64
import hashlib
import json
import struct
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from . import models
from .errors import ReceiptInvalid
from .money import amount_of_micros, format_micros

_BASIS_POINTS = 10_000
_HOUR_US = 3_600_000_000
_GB_BYTES = 1_000_000_000
_INT64_MAX = (1 << 63) - 1

# Numbers of proto/fallow/v1/receipt.proto and of what it uses: for ever, for old receipts are checked with them.
# Kinds: i int64, u unsigned, b bytes, s string, ? bool, a message's name, and + in front of what repeats.
_FIELDS: Dict[str, Dict[int, Tuple[str, str]]] = {
    "ReceiptBody": {
        1: ("market_name", "s"), 2: ("currency", "s"), 3: ("lease", "u"), 4: ("order", "u"), 5: ("task", "u"),
        6: ("attempt", "u"), 7: ("renter", "u"), 8: ("provider", "u"), 9: ("node", "u"),
        10: ("node_public_key", "b"), 11: ("devices", "+Device"), 12: ("device_thousandths", "u"),
        13: ("device_hour_micros", "i"), 14: ("disk_gb_hour_micros", "i"), 15: ("disk_mb", "u"),
        16: ("rate_hour_micros", "i"), 17: ("fee_basis_points", "u"), 18: ("hold_micros", "i"),
        19: ("placed_at_us", "i"), 20: ("started_at_us", "i"), 21: ("ended_at_us", "i"), 22: ("reason", "EndReason"),
        23: ("blame", "Blame"), 24: ("meters", "+MeterRecord"), 25: ("meters_root", "b"), 26: ("proven_us", "i"),
        27: ("charged_micros", "i"), 28: ("refunded_micros", "i"), 29: ("fee_micros", "i"), 30: ("paid_micros", "i"),
        31: ("placed_index", "u"), 32: ("ended_index", "u"), 33: ("log_head", "b"), 34: ("time_us_max", "i"),
        35: ("tier", "Tier"), 36: ("discounts", "TermDiscounts"), 37: ("term_us", "i"), 38: ("term_before_us", "i"),
        39: ("cut_short", "?"), 40: ("rerated_hour_micros", "i"), 41: ("volume_basis_points", "u"),
        42: ("volume_discount_micros", "i"), 43: ("price_runs", "+PriceRun"), 44: ("spot_bid_micros", "i"),
        45: ("spot_floor_micros", "i"), 60: ("image_digest", "b"), 160: ("credited_micros", "i"),
        161: ("slowed_us", "i"), 162: ("slow_basis_points", "u"), 163: ("credit_basis_points_max", "u"),
        360: ("egress_gb_micros", "i"), 361: ("egress_bytes_max", "i"), 362: ("egress_bytes", "i"),
        363: ("egress_micros", "i"),
    },
    "Device": {1: ("index", "u"), 2: ("uuid", "s"), 3: ("model", "s"), 4: ("kind", "DeviceKind"),
               5: ("memory_mb", "u"), 6: ("driver", "s"), 30: ("proof", "DeviceProof")},
    "DeviceProof": {1: ("state", "ProofState"), 2: ("at_us", "i"), 3: ("misses", "u"), 4: ("detail", "s"),
                    5: ("memory_mb", "u"), 6: ("speeds", "DeviceSpeeds")},
    "DeviceSpeeds": {1: ("int8_mops", "u"), 2: ("fill_mbps", "u"), 3: ("fp16_mflops", "u"), 4: ("fp32_mflops", "u"),
                     5: ("fp64_mflops", "u"), 6: ("copy_mbps", "u")},
    "MeterRecord": {1: ("lease", "u"), 2: ("sequence", "u"), 3: ("running_us", "i"), 4: ("measured_at_us", "i"),
                    5: ("signature", "b"), 160: ("slowed_us", "i"), 360: ("egress_bytes", "i")},
    "PriceRun": {1: ("rate_hour_micros", "i"), 2: ("until_us", "i")},
    "TermDiscounts": {1: ("hour_basis_points", "u"), 2: ("day_basis_points", "u"), 3: ("week_basis_points", "u"),
                      4: ("month_basis_points", "u")},
}
_NEVER_NEGATIVE = (
    "device_hour_micros", "disk_gb_hour_micros", "rate_hour_micros", "hold_micros", "time_us_max", "charged_micros",
    "refunded_micros", "fee_micros", "term_us", "term_before_us", "rerated_hour_micros", "spot_floor_micros",
    "spot_bid_micros", "credited_micros", "egress_gb_micros", "egress_bytes_max", "egress_bytes", "egress_micros")
_AFTER_A_GAP = {("EndReason", "IMAGE_UNAVAILABLE"): 60, ("EndReason", "STORE_FULL"): 270}
_ZERO: Dict[str, Any] = {"i": 0, "u": 0, "b": b"", "s": "", "?": False}


@dataclass(frozen=True)
class Bill:
    """A receipt that was recomputed and found right. `body` has every figure, named as in the format."""
    body: Mapping[str, Any]
    meters: int
    market_public_key: str

    @property
    def lease(self) -> int:
        return int(self.body["lease"])

    @property
    def paid(self) -> Decimal:
        return amount_of_micros(self.body["paid_micros"])

    @property
    def charged(self) -> Decimal:
        return amount_of_micros(self.body["charged_micros"])

    @property
    def refunded(self) -> Decimal:
        return amount_of_micros(self.body["refunded_micros"])

    @property
    def credited(self) -> Decimal:
        """Of what is refunded, what was given back for devices that were slowed down."""
        return amount_of_micros(self.body["credited_micros"])

    @property
    def egress_bytes(self) -> int:
        """What it sent over its network."""
        return int(self.body["egress_bytes"])

    @property
    def egress(self) -> Decimal:
        """What that came to, of what is charged; before a volume discount."""
        return amount_of_micros(self.body["egress_micros"])


def verify_receipt(receipt: Union[models.Receipt, Mapping[str, Any], str, bytes],
                   market_key: Optional[str] = None) -> Bill:
    """The bill. `receipt` is what the API answers, or the text of its file. Without `market_key` (hex, of
    `market().public_key`) it proves only that the receipt agrees with itself. ReceiptInvalid says what is wrong."""
    body_bytes, signature, key = _parts(receipt)
    if market_key is not None and key.hex() != market_key:
        raise _wrong(f"it is signed with another market's key ({key.hex()})")
    if not is_signed(key, b"fallow receipt v1" + body_bytes, signature):
        raise _wrong("the market's signature does not fit its body")
    body = _read("ReceiptBody", body_bytes)
    _check_meters(body)
    _check_amounts(body)
    return Bill(body, len(body["meters"]), key.hex())


def _wrong(what: str) -> ReceiptInvalid:
    return ReceiptInvalid(f"this receipt is wrong: {what}")


def _parts(receipt: Union[models.Receipt, Mapping[str, Any], str, bytes]) -> Tuple[bytes, bytes, bytes]:
    if isinstance(receipt, models.Receipt):
        return receipt.body, receipt.signature, receipt.market_public_key
    try:
        document: Any = json.loads(receipt) if isinstance(receipt, (str, bytes)) else receipt
        parts = []
        for field in ("body", "signature", "market_public_key"):
            # The command line writes a file's fields in either of protobuf's two spellings.
            camel = field.split("_")[0] + "".join(word.title() for word in field.split("_")[1:])
            parts.append(base64.b64decode(document[field] if field in document else document[camel], validate=True))
        return parts[0], parts[1], parts[2]
    except (ValueError, KeyError, TypeError):
        raise ReceiptInvalid("this is not a receipt: `fallow receipt LEASE > FILE` writes one") from None


def is_signed(key: bytes, data: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, data)
        return True
    except (InvalidSignature, ValueError):
        return False


# ---- protobuf's wire format, as far as a receipt uses it ----------------------------------------
def _varint(data: bytes, at: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _wrong("its body cannot be read")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value & ((1 << 64) - 1), at


def _read(message: str, data: bytes) -> Dict[str, Any]:
    fields = _FIELDS[message]
    found: Dict[str, Any] = {}
    for name, kind in fields.values():
        if kind.startswith("+"):
            found[name] = []
        elif kind in _ZERO:
            found[name] = _ZERO[kind]
        elif kind in _FIELDS:
            found[name] = _read(kind, b"")
        else:
            found[name] = _enum(kind, 0)
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 2:
            size, at = _varint(data, at)
            value, at = data[at:at + size], at + size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value, at = data[at:at + size], at + size
        else:
            raise _wrong("its body cannot be read")
        if at > len(data):
            raise _wrong("its body cannot be read")
        if number in fields:
            _place(found, *fields[number], wire, value)
    return found


def _place(found: Dict[str, Any], name: str, kind: str, wire: int, value: Any) -> None:
    if wire != (0 if kind in ("i", "u", "?") or (kind[0].isupper() and kind not in _FIELDS) else 2):
        raise _wrong("its body cannot be read")
    if kind.startswith("+"):
        found[name].append(_read(kind[1:], value))
    elif kind == "i":
        found[name] = value - (1 << 64) if value >> 63 else value
    elif kind == "s":
        found[name] = value.decode("utf-8", "replace")
    elif kind == "?":
        found[name] = value != 0
    elif kind in ("u", "b"):
        found[name] = value
    elif kind in _FIELDS:
        found[name] = _read(kind, value)
    else:
        found[name] = _enum(kind, value)


def enum_words(kind: str) -> Dict[int, str]:
    """The words of an enum of the schema by their numbers. It lists them in this order; few numbers leave a gap."""
    words = {}
    number = -1
    for word in getattr(models, kind):
        number = _AFTER_A_GAP.get((kind, word.value), number + 1)
        words[number] = str(word.value)
    return words


def _enum(kind: str, number: int) -> str:
    return enum_words(kind).get(number, f"{kind} {number}")


# ---- the rules ----------------------------------------------------------------------------------
def _hash(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def _merkle_root(leaves: List[bytes]) -> bytes:
    """RFC 6962, section 2.1, with BLAKE2b-256."""
    stack: List[Tuple[int, bytes]] = []
    for leaf in leaves:
        count, root = 1, _hash(b"\0", leaf)
        while stack and stack[-1][0] == count:
            root, count = _hash(b"\1", stack.pop()[1], root), count * 2
        stack.append((count, root))
    if not stack:
        return _hash()
    root = stack.pop()[1]
    while stack:
        root = _hash(b"\1", stack.pop()[1], root)
    return root


def _check_meters(body: Mapping[str, Any]) -> None:
    if len(body["node_public_key"]) != 32:
        raise _wrong("the node's public key has the wrong length")
    leaves = []
    running_us = slowed_us = egress_bytes = 0
    for sequence, record in enumerate(body["meters"], 1):
        if record["lease"] != body["lease"]:
            raise _wrong("a meter record belongs to another lease")
        if record["sequence"] != sequence:
            raise _wrong(f"meter record {sequence} is missing")
        if record["running_us"] < running_us:
            raise _wrong(f"meter record {sequence} goes back in time")
        running_us = record["running_us"]
        if not slowed_us <= record["slowed_us"] <= running_us:
            raise _wrong(f"meter record {sequence} counts slowed time that cannot be")
        slowed_us = record["slowed_us"]
        if record["egress_bytes"] < egress_bytes:
            raise _wrong(f"meter record {sequence} takes back what was sent")
        egress_bytes = record["egress_bytes"]
        version = b"3" if egress_bytes else b"2" if slowed_us else b"1"
        signed = (b"fallow meter v" + version + body["node_public_key"]
                  + struct.pack("<QIqq", record["lease"], sequence, running_us, record["measured_at_us"])
                  + (struct.pack("<q", slowed_us) if slowed_us or egress_bytes else b"")
                  + (struct.pack("<q", egress_bytes) if egress_bytes else b""))
        if not is_signed(body["node_public_key"], signed, record["signature"]):
            raise _wrong(f"meter record {sequence} is not signed by the node")
        leaves.append(signed + record["signature"])
    if _merkle_root(leaves) != body["meters_root"]:
        raise _wrong("the Merkle root of the meter records differs")
    if running_us != body["proven_us"]:
        raise _wrong(f"{body['proven_us']} us are billed as proven, the meter records prove {running_us} us")
    if slowed_us != body["slowed_us"]:
        raise _wrong(f"{body['slowed_us']} us are said to be slowed down, the meter records say {slowed_us} us")
    if egress_bytes != body["egress_bytes"]:
        raise _wrong(f"{body['egress_bytes']} bytes are said to be sent, the meter records say {egress_bytes}")


def _device_hour_for(body: Mapping[str, Any], time_us: int) -> int:
    """What is left of a device's price for who reaches this term."""
    given = body["discounts"]
    left = _BASIS_POINTS
    for hours, name in ((1, "hour"), (24, "day"), (168, "week"), (720, "month")):
        if time_us >= hours * _HOUR_US:
            left = _BASIS_POINTS - given[f"{name}_basis_points"]
    return int(-(-body["device_hour_micros"] * left // _BASIS_POINTS))


def _rate_for(body: Mapping[str, Any], device_hour: int) -> int:
    """Devices and disk for an hour, each rounded up."""
    devices = len(body["devices"]) * body["device_thousandths"]
    return int(-(-devices * device_hour // 1_000) - (-body["disk_mb"] * body["disk_gb_hour_micros"] // 1_000))


def _check_term(body: Mapping[str, Any], billed_us: int) -> None:
    if body["tier"] != "RESERVED":
        if body["rerated_hour_micros"] != 0:
            raise _wrong("it is re-rated, but had no term")
        return
    given = body["discounts"]
    if not (given["hour_basis_points"] <= given["day_basis_points"] <= given["week_basis_points"]
            <= given["month_basis_points"] <= _BASIS_POINTS):
        raise _wrong("its discounts are not in the order of their terms")
    rate = _rate_for(body, _device_hour_for(body, body["term_us"]))
    if rate != body["rate_hour_micros"]:
        raise _wrong(f"the rate is {format_micros(body['rate_hour_micros'])} per hour, its prices less the term's "
                     f"discount come to {format_micros(rate)}")
    rerated = 0
    if body["blame"] in ("BLAME_NONE", "BLAME_RENTER") and not body["cut_short"] and body["reason"] != "TIME_LIMIT":
        reached = _rate_for(body, _device_hour_for(body, body["term_before_us"] + billed_us))
        rerated = reached if reached > rate else 0
    if rerated != body["rerated_hour_micros"]:
        raise _wrong(f"it is re-rated to {format_micros(body['rerated_hour_micros'])} per hour, the term really "
                     f"reached comes to {format_micros(rerated)}")


def _cost(body: Mapping[str, Any], billed_us: int) -> int:
    """What the billed time costs: of a spot lease each run at its price, between floor and bid."""
    rate = max(body["rate_hour_micros"], body["rerated_hour_micros"])
    if body["tier"] != "SPOT":
        if body["price_runs"]:
            raise _wrong("it has prices of intervals, but is no spot lease")
        return int(min(rate * billed_us // _HOUR_US, _INT64_MAX))
    least, most = _rate_for(body, body["spot_floor_micros"]), _rate_for(body, body["spot_bid_micros"])
    if most != body["rate_hour_micros"]:
        raise _wrong(f"the rate is {format_micros(body['rate_hour_micros'])} per hour, its bid comes to "
                     f"{format_micros(most)}")
    cost = since = 0
    for run in body["price_runs"]:
        if run["until_us"] <= since:
            raise _wrong("its prices go back in time")
        if not least <= run["rate_hour_micros"] <= most:
            raise _wrong(f"a price of {format_micros(run['rate_hour_micros'])} is below its floor of "
                         f"{format_micros(least)} or above its bid of {format_micros(most)}")
        cost += run["rate_hour_micros"] * (run["until_us"] - since)
        since = run["until_us"]
    if since != billed_us:
        raise _wrong(f"its prices are of {since} us, {billed_us} us are billed")
    return cost // _HOUR_US


def _has_refunding_end(body: Mapping[str, Any]) -> bool:
    """Of all other endings what is refunded is the credit alone."""
    return bool(body["blame"] == "BLAME_PROVIDER" or body["reason"] == "MARKET_FAULT")


def _check_egress(body: Mapping[str, Any]) -> None:
    """What it sent costs by its price, up to what the hold pays for."""
    price = body["egress_gb_micros"]
    cost = price * min(body["egress_bytes"], body["egress_bytes_max"]) // _GB_BYTES
    if cost != body["egress_micros"]:
        raise _wrong(f"what was sent is charged {format_micros(body['egress_micros'])}, its bytes come to "
                     f"{format_micros(cost)}")
    if _egress_hold(body) > body["hold_micros"]:
        raise _wrong("its hold does not cover what it may send")


def _egress_hold(body: Mapping[str, Any]) -> int:
    """It pays for no time."""
    return int(body["egress_gb_micros"] * body["egress_bytes_max"] // _GB_BYTES)


def _fees_of(body: Mapping[str, Any], gross: int) -> Tuple[int, int]:
    """The market's whole fee of a price, and what of it the renter is let off."""
    whole_fee = gross * body["fee_basis_points"] // _BASIS_POINTS
    return whole_fee, whole_fee * body["volume_basis_points"] // _BASIS_POINTS


def _check_credit(body: Mapping[str, Any], gross: int) -> None:
    """What the provider gives back for devices that were slowed down, of the price of the time: beside a refund,
    nothing."""
    if body["slow_basis_points"] > _BASIS_POINTS or body["credit_basis_points_max"] > _BASIS_POINTS:
        raise _wrong("a share of its credit is more than all")
    credit = 0
    proven_us = body["proven_us"]
    if not _has_refunding_end(body) and proven_us > 0:
        slowed_us = max(body["slowed_us"], proven_us * body["slow_basis_points"] // _BASIS_POINTS)
        whole_fee, let_off = _fees_of(body, gross)
        charged = gross - let_off
        credit = min(-(-charged * slowed_us // proven_us),
                     charged * body["credit_basis_points_max"] // _BASIS_POINTS, gross - whole_fee)
    if credit != body["credited_micros"]:
        raise _wrong(f"the credit is {format_micros(body['credited_micros'])}, that of its slowed time comes to "
                     f"{format_micros(credit)}")


def _check_amounts(body: Mapping[str, Any]) -> None:
    if any(body[name] < 0 for name in _NEVER_NEGATIVE):
        raise _wrong("an amount is negative")
    if body["fee_basis_points"] > _BASIS_POINTS:
        raise _wrong("the market's fee is more than all that it is taken of")
    _check_egress(body)
    billed_us = min(body["proven_us"], body["time_us_max"])
    _check_term(body, billed_us)
    of_time = min(body["hold_micros"] - _egress_hold(body), _cost(body, billed_us))
    gross = of_time + body["egress_micros"]
    whole_fee, let_off = _fees_of(body, gross)
    if body["volume_basis_points"] > _BASIS_POINTS or let_off != body["volume_discount_micros"]:
        raise _wrong(f"the volume discount is {format_micros(body['volume_discount_micros'])}, its share of the fee "
                     f"comes to {format_micros(let_off)}")
    charged, refunded = body["charged_micros"], body["refunded_micros"]
    if gross - let_off != charged:
        beside = " and what was sent" if body["egress_micros"] else ""
        raise _wrong(f"the charge is {format_micros(charged)}, the proven time at its rate{beside} comes to "
                     f"{format_micros(gross - let_off)}")
    _check_credit(body, of_time)
    if refunded > charged:
        raise _wrong("more is refunded than was charged")
    if body["blame"] == "BLAME_PROVIDER" and refunded != charged:
        raise _wrong("the provider is to blame, but not all of the charge is refunded")
    if not _has_refunding_end(body) and refunded != body["credited_micros"]:
        raise _wrong("a refund stands beside an ending that gives none")
    if body["paid_micros"] != charged - refunded:
        raise _wrong("what is paid is not the charge less the refund")
    fee = 0 if body["blame"] == "BLAME_PROVIDER" else whole_fee - let_off
    if body["blame"] != "BLAME_MARKET" and fee != body["fee_micros"]:
        raise _wrong(f"the market's fee is {format_micros(body['fee_micros'])}, its share comes to "
                     f"{format_micros(fee)}")
