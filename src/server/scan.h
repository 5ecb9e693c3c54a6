// Scan: a page of a long list, gathered in several short visits, so that no list keeps the market
// thread from its commands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "server/call.h"

namespace fallow::server {

// Rows that one visit looks at.
constexpr std::size_t kScanRowsMax = 2'000;

// How far a page has come. Inside a visit: look_at() before each row, take() after each row kept.
struct Scan {
  std::uint64_t position = 0;  // of the last row looked at; the visit goes on behind it
  std::size_t wanted = 0;
  std::size_t taken = 0;
  std::size_t looked_at = 0;  // in this visit
  bool interrupted = false;   // the visit stopped before the list's end

  bool is_full() const { return taken >= wanted; }
  // False: this row is for the next visit, stop.
  bool look_at(std::uint64_t row) {
    if (looked_at >= kScanRowsMax) {
      interrupted = true;
      return false;
    }
    ++looked_at;
    position = row;
    return true;
  }
  // False: the page is full, stop.
  bool take() { return ++taken < wanted; }
};

// Visits from `position` until the page is full or the list has ended.
inline net::Task<Answer<Scan>> scan_all(Call& call, std::uint64_t position, std::size_t wanted,
                                        std::function<void(const core::Machine&, Scan&)> step) {
  Scan scan;
  scan.position = position;
  scan.wanted = wanted;
  const std::function<Answer<bool>(const core::Machine&)> look =
      [&](const core::Machine& machine) -> Answer<bool> {
    scan.looked_at = 0;
    scan.interrupted = false;
    step(machine, scan);
    return true;
  };
  do {
    FALLOW_CO_TRY(co_await call.visit(look));
  } while (scan.interrupted);
  co_return scan;
}

}  // namespace fallow::server
