#include "sim/marks.h"

namespace fallow::sim {
namespace {

constexpr std::array<std::string_view, kMarkCount> kNames = {
    "server crashed",
    "server stopped in good order",
    "torn write dropped",
    "unanswered write lost",
    "unanswered write kept",
    "disk full refused",
    "snapshot restored",
    "torn snapshot passed over",
    "clock set back",
    "message lost",
    "message doubled",
    "message reordered",
    "message delayed",
    "garbage refused",
    "link partitioned",
    "connection cut",
    "agent crashed",
    "agent crashed between record and act",
    "agent frozen",
    "agent fenced",
    "machine rebooted",
    "re-adopted",
    "owner home: suspended",
    "owner evicted",
    "killed after the grace",
    "duplicate meter ignored",
    "lease suspended by silence",
    "lease closed by silence",
    "suspended lease resumed",
    "stop never confirmed",
    "lease ended: market fault",
    "lease ended: workload lost",
    "lease ended: node withdrawn",
    "lease ended: start failed",
    "lease ended: input invalid",
    "lease ended: disk limit",
    "lease ended: out of memory",
    "lease ended: exit code",
    "lease ended: time limit",
    "lease ended: funds",
    "lease ended: stopped",
    "lease ended: completed",
    "task retried elsewhere",
    "request repeated",
    "former price honoured",
    "refused: quote gone",
    "refused: no funds",
    "refused: over budget",
    "refused: no match",
    "payout returned",
    "earnings released",
    "term ended early: re-rated",
    "lease ended: preempted",
    "spot: outbid",
    "spot: a losing bid sets the price",
    "lease ended with its gang",
    "clock set forward",
    "silence rule changed",
    "retry waits for a fence",
    "report answered: the lease is over",
};
static_assert(!kNames.back().empty(), "every mark has a name");

}  // namespace

std::string_view name_of(Mark mark) { return kNames[static_cast<std::size_t>(mark)]; }

}  // namespace fallow::sim
