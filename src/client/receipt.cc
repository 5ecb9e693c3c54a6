#include "client/receipt.h"

#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <ctime>
#include <limits>

#include "base/merkle.h"
#include "base/meter_bytes.h"
#include "base/money.h"
#include "base/printable.h"
#include "base/receipt_bytes.h"

namespace fallow::client {
namespace {

constexpr std::int64_t kBasisPoints = 10'000;

template <class... Args>
Status wrong(fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected(
      Error{ErrorCode::kInvalid,
            "this receipt is wrong: " + fmt::format(format, std::forward<Args>(args)...)});
}

// The records are the node's, in order, and never run ahead of each other.
Status check_meters(const v1::ReceiptBody& body) {
  const auto node_key = public_key_from_bytes(body.node_public_key());
  if (!node_key) return wrong("the node's public key has the wrong length");
  MerkleTree tree;
  std::int64_t running_us = 0;
  std::int64_t slowed_us = 0;
  std::int64_t egress_bytes = 0;
  std::uint32_t sequence = 0;
  for (const v1::MeterRecord& record : body.meters()) {
    if (record.lease() != body.lease()) return wrong("a meter record belongs to another lease");
    if (record.sequence() != ++sequence) return wrong("meter record {} is missing", sequence);
    if (record.running_us() < running_us)
      return wrong("meter record {} goes back in time", sequence);
    running_us = record.running_us();
    if (record.slowed_us() < slowed_us || record.slowed_us() > running_us) {
      return wrong("meter record {} counts slowed time that cannot be", sequence);
    }
    slowed_us = record.slowed_us();
    if (record.egress_bytes() < egress_bytes) {
      return wrong("meter record {} takes back what was sent", sequence);
    }
    egress_bytes = record.egress_bytes();
    const std::string bytes = meter_bytes(
        *node_key, LeaseId(record.lease()), record.sequence(), Duration(record.running_us()),
        Time{record.measured_at_us()}, Duration(record.slowed_us()), record.egress_bytes());
    if (!verify_signature(body.node_public_key(), bytes, record.signature())) {
      return wrong("meter record {} is not signed by the node", sequence);
    }
    tree.append(meter_leaf(bytes, record.signature()));
  }
  if (to_bytes(tree.root()) != body.meters_root())
    return wrong("the Merkle root of the meter records differs");
  if (running_us != body.proven_us()) {
    return wrong("{} us are billed as proven, the meter records prove {} us", body.proven_us(),
                 running_us);
  }
  if (slowed_us != body.slowed_us()) {
    return wrong("{} us are said to be slowed down, the meter records say {} us", body.slowed_us(),
                 slowed_us);
  }
  if (egress_bytes != body.egress_bytes()) {
    return wrong("{} bytes are said to be sent, the meter records say {}", body.egress_bytes(),
                 egress_bytes);
  }
  return {};
}

// What is left of a device's price for who reaches this term; discounts are of the receipt itself.
Micros device_hour_for(const v1::ReceiptBody& body, std::int64_t time_us) {
  const v1::TermDiscounts& given = body.discounts();
  const struct {
    Duration from;
    std::uint32_t basis_points;
  } terms[] = {{hours(1), given.hour_basis_points()},
               {hours(24), given.day_basis_points()},
               {hours(7 * 24), given.week_basis_points()},
               {hours(30 * 24), given.month_basis_points()}};
  std::int64_t left = kBasisPoints;
  for (const auto& term : terms) {
    if (time_us >= term.from.value) left = kBasisPoints - term.basis_points;
  }
  const Wide whole = Wide{body.device_hour_micros()} * left;
  return Micros(static_cast<std::int64_t>((whole + kBasisPoints - 1) / kBasisPoints));
}

// Devices and disk for an hour, each rounded up.
Micros rate_for(const v1::ReceiptBody& body, Micros device_hour) {
  const auto part = [](std::uint64_t thousandths, std::int64_t price) {
    return (Wide{thousandths} * price + 999) / 1'000;
  };
  const std::uint64_t devices =
      static_cast<std::uint64_t>(body.devices_size()) * body.device_thousandths();
  return Micros(static_cast<std::int64_t>(part(devices, device_hour.value) +
                                          part(body.disk_mb(), body.disk_gb_hour_micros())));
}

// The rates of a term: what it was placed at, and what an early end by the renter made of it.
Status check_term(const v1::ReceiptBody& body, std::int64_t billed_us) {
  if (body.tier() != v1::RESERVED) {
    if (body.rerated_hour_micros() != 0) return wrong("it is re-rated, but had no term");
    return {};
  }
  const v1::TermDiscounts& given = body.discounts();
  if (given.month_basis_points() > kBasisPoints ||
      given.week_basis_points() > given.month_basis_points() ||
      given.day_basis_points() > given.week_basis_points() ||
      given.hour_basis_points() > given.day_basis_points()) {
    return wrong("its discounts are not in the order of their terms");
  }
  const Micros rate = rate_for(body, device_hour_for(body, body.term_us()));
  if (rate.value != body.rate_hour_micros()) {
    return wrong("the rate is {} per hour, its prices less the term's discount come to {}",
                 format_money(Micros(body.rate_hour_micros())), format_money(rate));
  }
  const bool by_renter = body.blame() == v1::BLAME_NONE || body.blame() == v1::BLAME_RENTER;
  Micros rerated(0);
  if (by_renter && !body.cut_short() && body.reason() != v1::TIME_LIMIT) {
    const Micros reached = rate_for(body, device_hour_for(body, body.term_before_us() + billed_us));
    if (reached > rate) rerated = reached;
  }
  if (rerated.value != body.rerated_hour_micros()) {
    return wrong("it is re-rated to {} per hour, the term really reached comes to {}",
                 format_money(Micros(body.rerated_hour_micros())), format_money(rerated));
  }
  return {};
}

// What the time of a spot lease costs: each run at its price, which lies between floor and bid.
Result<Micros> cost_of_runs(const v1::ReceiptBody& body, std::int64_t billed_us) {
  const Micros least = rate_for(body, Micros(body.spot_floor_micros()));
  const Micros most = rate_for(body, Micros(body.spot_bid_micros()));
  if (most.value != body.rate_hour_micros()) {
    return tl::unexpected(wrong("the rate is {} per hour, its bid comes to {}",
                                format_money(Micros(body.rate_hour_micros())), format_money(most))
                              .error());
  }
  Wide cost = 0;
  std::int64_t from = 0;
  for (const v1::PriceRun& run : body.price_runs()) {
    if (run.until_us() <= from) return tl::unexpected(wrong("its prices go back in time").error());
    const Micros rate(run.rate_hour_micros());
    if (rate < least || rate > most) {
      return tl::unexpected(wrong("a price of {} is below its floor of {} or above its bid of {}",
                                  format_money(rate), format_money(least), format_money(most))
                                .error());
    }
    cost += Wide{rate.value} * (run.until_us() - from);
    from = run.until_us();
  }
  if (from != billed_us) {
    return tl::unexpected(
        wrong("its prices are of {} us, {} us are billed", from, billed_us).error());
  }
  constexpr Wide kMost = std::numeric_limits<std::int64_t>::max();
  return Micros(static_cast<std::int64_t>(std::min<Wide>(cost / kHour.value, kMost)));
}

// Of all other endings what is refunded is the credit alone.
bool has_refunding_end(const v1::ReceiptBody& body) {
  return body.blame() == v1::BLAME_PROVIDER || body.reason() == v1::MARKET_FAULT;
}

// Of a price before the market's fee: what the renter pays, and what of it is the provider's.
struct Parts {
  Micros charged;
  Micros provider_part;
  Micros whole_fee;
  Micros let_off;
};
Parts parts_of(const v1::ReceiptBody& body, Micros gross) {
  const Micros whole_fee = fraction_of(gross, body.fee_basis_points(), kBasisPoints);
  const Micros let_off = fraction_of(whole_fee, body.volume_basis_points(), kBasisPoints);
  return {gross - let_off, gross - whole_fee, whole_fee, let_off};
}

// What it sent costs by its price, up to what the hold pays for.
Status check_egress(const v1::ReceiptBody& body) {
  const Micros price(body.egress_gb_micros());
  const Micros cost = price_of_bytes(price, std::min(body.egress_bytes(), body.egress_bytes_max()));
  if (cost.value != body.egress_micros()) {
    return wrong("what was sent is charged {}, its bytes come to {}",
                 format_money(Micros(body.egress_micros())), format_money(cost));
  }
  if (price_of_bytes(price, body.egress_bytes_max()).value > body.hold_micros()) {
    return wrong("its hold does not cover what it may send");
  }
  return {};
}

// What the provider gives back for devices that were slowed down, of the time's charge: beside a
// refund, nothing.
Status check_credit(const v1::ReceiptBody& body, const Parts& time) {
  if (body.slow_basis_points() > kBasisPoints || body.credit_basis_points_max() > kBasisPoints) {
    return wrong("a share of its credit is more than all");
  }
  Micros credit(0);
  if (!has_refunding_end(body) && body.proven_us() > 0) {
    const Wide by_proof = Wide{body.proven_us()} * body.slow_basis_points() / kBasisPoints;
    const Wide slowed = std::max(Wide{body.slowed_us()}, by_proof);
    const Wide whole =
        (Wide{time.charged.value} * slowed + body.proven_us() - 1) / body.proven_us();
    const Micros most = fraction_of(time.charged, body.credit_basis_points_max(), kBasisPoints);
    credit = std::min({Micros(static_cast<std::int64_t>(whole)), most, time.provider_part});
  }
  if (credit.value != body.credited_micros()) {
    return wrong("the credit is {}, that of its slowed time comes to {}",
                 format_money(Micros(body.credited_micros())), format_money(credit));
  }
  return {};
}

Status check_amounts(const v1::ReceiptBody& body) {
  for (const std::int64_t amount :
       {body.device_hour_micros(), body.disk_gb_hour_micros(), body.rate_hour_micros(),
        body.hold_micros(), body.time_us_max(), body.charged_micros(), body.refunded_micros(),
        body.fee_micros(), body.term_us(), body.term_before_us(), body.rerated_hour_micros(),
        body.spot_floor_micros(), body.spot_bid_micros(), body.credited_micros(),
        body.egress_gb_micros(), body.egress_bytes_max(), body.egress_bytes(),
        body.egress_micros()}) {
    if (amount < 0) return wrong("an amount is negative");
  }
  if (body.fee_basis_points() > kBasisPoints) {
    return wrong("the market's fee is more than all that it is taken of");
  }
  FALLOW_TRY(check_egress(body));
  const std::int64_t billed_us = std::min(body.proven_us(), body.time_us_max());
  FALLOW_TRY(check_term(body, billed_us));
  const Micros rate(std::max(body.rate_hour_micros(), body.rerated_hour_micros()));
  Micros cost = price_of(rate, Duration(billed_us));
  if (body.tier() == v1::SPOT) {
    FALLOW_ASSIGN(cost, cost_of_runs(body, billed_us));
  } else if (body.price_runs_size() > 0) {
    return wrong("it has prices of intervals, but is no spot lease");
  }
  // What is held for egress pays for no time.
  const Micros egress_hold =
      price_of_bytes(Micros(body.egress_gb_micros()), body.egress_bytes_max());
  const Micros of_time = std::min(Micros(body.hold_micros()) - egress_hold, cost);
  const auto [charged, provider_part, whole_fee, let_off] =
      parts_of(body, of_time + Micros(body.egress_micros()));
  if (body.volume_basis_points() > kBasisPoints || let_off.value != body.volume_discount_micros()) {
    return wrong("the volume discount is {}, its share of the fee comes to {}",
                 format_money(Micros(body.volume_discount_micros())), format_money(let_off));
  }
  if (charged.value != body.charged_micros()) {
    return wrong("the charge is {}, the proven time at its rate{} comes to {}",
                 format_money(Micros(body.charged_micros())),
                 body.egress_micros() > 0 ? " and what was sent" : "", format_money(charged));
  }
  FALLOW_TRY(check_credit(body, parts_of(body, of_time)));
  if (body.refunded_micros() > body.charged_micros())
    return wrong("more is refunded than was charged");
  if (body.blame() == v1::BLAME_PROVIDER && body.refunded_micros() != body.charged_micros()) {
    return wrong("the provider is to blame, but not all of the charge is refunded");
  }
  if (!has_refunding_end(body) && body.refunded_micros() != body.credited_micros()) {
    return wrong("a refund stands beside an ending that gives none");
  }
  if (body.paid_micros() != body.charged_micros() - body.refunded_micros()) {
    return wrong("what is paid is not the charge less the refund");
  }
  // The fee is taken of the whole price and given back with a refund by the provider.
  const Micros fee = body.blame() == v1::BLAME_PROVIDER ? Micros(0) : whole_fee - let_off;
  if (body.blame() != v1::BLAME_MARKET && fee.value != body.fee_micros()) {
    return wrong("the market's fee is {}, its share comes to {}",
                 format_money(Micros(body.fee_micros())), format_money(fee));
  }
  return {};
}

double hours_text(std::int64_t us) {
  return static_cast<double>(us) / static_cast<double>(kHour.value);
}

std::string moment(std::int64_t us) {
  if (us == 0) return "never";
  const std::time_t seconds = us / 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

}  // namespace

Result<VerifiedReceipt> verify_receipt(const v1::Receipt& receipt, const PublicKey* market_key) {
  const std::string& own_key = receipt.market_public_key();
  if (market_key != nullptr &&
      !std::equal(market_key->begin(), market_key->end(), own_key.begin(), own_key.end(),
                  [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); })) {
    return fail(ErrorCode::kInvalid,
                "this receipt is wrong: it is signed with another market's key ({})",
                to_hex(own_key));
  }
  if (!verify_signature(own_key, receipt_bytes(receipt.body()), receipt.signature())) {
    return fail(ErrorCode::kInvalid,
                "this receipt is wrong: the market's signature does not fit its body");
  }
  VerifiedReceipt verified;
  if (!verified.body.ParseFromString(receipt.body())) {
    return fail(ErrorCode::kInvalid, "this receipt is wrong: its body cannot be read");
  }
  FALLOW_TRY(check_meters(verified.body));
  FALLOW_TRY(check_amounts(verified.body));
  verified.meters = static_cast<std::size_t>(verified.body.meters_size());
  return verified;
}

Result<v1::Receipt> parse_receipt(std::string_view json) {
  v1::Receipt receipt;
  const auto status = google::protobuf::util::JsonStringToMessage(std::string(json), &receipt);
  if (!status.ok() || receipt.body().empty()) {
    return fail(ErrorCode::kInvalid,
                "this file is not a receipt: `fallow receipt LEASE > FILE` writes one ({})",
                std::string(status.message()));
  }
  return receipt;
}

std::string describe_receipt(const v1::ReceiptBody& body) {
  std::string text;
  const auto line = [&text](std::string_view label, const std::string& value) {
    // A device's name is its provider's choice: it must not look like another line of the bill.
    text += fmt::format("  {:<12} {}\n", label, printable(value));
  };
  text += fmt::format("Receipt of lease {} ({})\n", body.lease(), printable(body.market_name()));
  line("order", fmt::format("{}, task {}, attempt {}", body.order(), body.task(), body.attempt()));
  line("node", fmt::format("{}", body.node()));
  for (const v1::Device& device : body.devices()) {
    line("device", fmt::format("{} {} MB, {}/1000 of it", device.model(), device.memory_mb(),
                               body.device_thousandths()));
  }
  line("placed", moment(body.placed_at_us()));
  line("started", moment(body.started_at_us()));
  line("ended", moment(body.ended_at_us()));
  line("ending",
       fmt::format("{}, {}", v1::EndReason_Name(body.reason()), v1::Blame_Name(body.blame())));
  line("proven", fmt::format("{:.3f} s by {} signed meter records",
                             static_cast<double>(body.proven_us()) / 1e6, body.meters_size()));
  line("rate", fmt::format("{} {} per hour", format_money(Micros(body.rate_hour_micros())),
                           body.currency()));
  if (body.tier() == v1::RESERVED) {
    const v1::TermDiscounts& given = body.discounts();
    line("list price",
         fmt::format("{} {} per device and hour, less {}, {}, {}, {} % from an hour, "
                     "a day, a week, a month",
                     format_money(Micros(body.device_hour_micros())), body.currency(),
                     given.hour_basis_points() / 100.0, given.day_basis_points() / 100.0,
                     given.week_basis_points() / 100.0, given.month_basis_points() / 100.0));
    line("term", fmt::format("{:.2f} h, {:.2f} h used before", hours_text(body.term_us()),
                             hours_text(body.term_before_us())));
  }
  for (const v1::PriceRun& run : body.price_runs()) {
    line("spot price", fmt::format("{} {} per hour until {:.3f} s of running time",
                                   format_money(Micros(run.rate_hour_micros())), body.currency(),
                                   static_cast<double>(run.until_us()) / 1e6));
  }
  if (body.rerated_hour_micros() > 0) {
    line("re-rated",
         fmt::format("{} {} per hour, for the term really reached",
                     format_money(Micros(body.rerated_hour_micros())), body.currency()));
  }
  if (body.volume_discount_micros() > 0) {
    line("let off", fmt::format("{}, {} % of the market's fee",
                                format_money(Micros(body.volume_discount_micros())),
                                body.volume_basis_points() / 100.0));
  }
  if (body.egress_bytes() > 0 || body.egress_gb_micros() > 0) {
    line("egress", fmt::format("{} for {:.6f} GB sent, at {} {} per GB{}",
                               format_money(Micros(body.egress_micros())),
                               static_cast<double>(body.egress_bytes()) / 1e9,
                               format_money(Micros(body.egress_gb_micros())), body.currency(),
                               body.egress_bytes_max() > 0
                                   ? fmt::format(", at most {:.6f} GB",
                                                 static_cast<double>(body.egress_bytes_max()) / 1e9)
                                   : ""));
  }
  line("charged", format_money(Micros(body.charged_micros())));
  line("refunded", format_money(Micros(body.refunded_micros())));
  if (body.credited_micros() > 0) {
    line("credited",
         fmt::format("{} of it: slowed down for {:.3f} s by the meter records{}",
                     format_money(Micros(body.credited_micros())),
                     static_cast<double>(body.slowed_us()) / 1e6,
                     body.slow_basis_points() == 0
                         ? ""
                         : fmt::format(", slower than verified by {} % as the market proved",
                                       body.slow_basis_points() / 100.0)));
  }
  line("fee inside", format_money(Micros(body.fee_micros())));
  line("paid", fmt::format("{} {}", format_money(Micros(body.paid_micros())), body.currency()));
  return text;
}

}  // namespace fallow::client
