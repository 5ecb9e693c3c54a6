// The energy floor: what a device's electricity costs, and an offer that never earns less.
//
// The market keeps an offer within its floors whatever the index says and spot bids, so floors that
// pay for the electricity hold for each lease that begins, and nobody has to watch prices. Pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/money.h"
#include "base/result.h"
#include "fallow/v1/services.pb.h"

namespace fallow::cli {

// Of a device that takes so many watts, for an hour. kInvalid: no price, or one below 0.
Result<Micros> electricity_per_hour(const std::string& kwh_price, std::uint32_t watts);

// Makes sure that each lease under these terms, at whatever tier and term, leaves the provider more
// than `electricity` for a device and hour, behind the market's fee: raises the floor of a price
// that follows the market, and that of spot. kInvalid: a fixed price, a ceiling or a discount does
// not allow it.
Status pay_electricity(Micros electricity, std::uint32_t fee_basis_points,
                       v1::SetOfferRequest& terms);

}  // namespace fallow::cli
