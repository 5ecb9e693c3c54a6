// The book of offers and the one matcher: search, quote and reserve are the same function of the
// same state, so what is shown can be reserved.
//
// Owner: Machine, market thread only. The book indexes nodes by price; it holds pointers to nodes
// that the inventory keeps at stable addresses, and is told of every change to one by update().
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/types.h"
#include "core/listing.h"
#include "core/node.h"
#include "core/query.h"
#include "core/scoring.h"
#include "fallow/v1/commands.pb.h"
#include "fallow/v1/events.pb.h"

namespace fallow::core {

// Requirements with their query parsed and their prices made whole. requirements.gpus of 0 counts
// as 1, device_thousandths of 0 as a whole device; requirements.query is not read.
constexpr Micros kNoEgressLimit{std::numeric_limits<std::int64_t>::max()};
struct Demand {
  Query query;
  v1::Requirements requirements;
  Time quoted_at;        // prices as they stood then, when 0 < quoted_at
  Micros rate_hour_max;  // 0: none; counts beside requirements.price_per_hour_micros_max
  Micros egress_gb_max =
      kNoEgressLimit;             // what 10^9 bytes may cost, where egress_mb_max is asked for
  bool at_floor = false;          // of spot: whatever it clears at now
  bool by_price = false;          // ranked by the objective alone, whatever else the policy weighs
  std::span<const NodeId> avoid;  // taken only when nothing else matches
  // Kept for another order: never taken by match() and match_gang(); nobody else reads them.
  std::span<const NodeId> barred;
};

// Few tasks take more devices than stand in the value itself.
using DeviceIndexes = boost::container::small_vector<std::uint32_t, 8>;

struct Placement {
  const Node* node = nullptr;
  DeviceIndexes devices;  // v1::Device.index of each, ascending
  Micros device_hour;     // the prices that bind: former ones under a quote, less a term's discount
  Micros disk_gb_hour;
  Micros rate_hour;       // of one task: devices and disk together
  Micros list_hour;       // device_hour before the discount
  Discounts discounts{};  // that go with it
  Micros egress_gb{};     // for 10^9 bytes that it sends
  bool free = true;       // could start now; false only in a list of all offers
};

class Book {
 public:
  // `scoring` outlives the book.
  explicit Book(const Scoring& scoring) : scoring_(scoring) {}
  virtual ~Book() = default;
  const Scoring& scoring() const { return scoring_; }

  // Speeds of the scoring have changed.
  virtual void speeds_changed() = 0;

  // `node` was added, or any of its facts, offer, link, owner, free capacity or counts of kept and
  // broken leases changed. The address stays valid until remove().
  virtual void update(const Node& node) = 0;
  // The same where nothing changed but free capacity, link, owner and counts of leases: what every
  // lease's beginning and end does.
  virtual void update_load(const Node& node) = 0;
  virtual void remove(NodeId node) = 0;

  // The best placement by the demand's objective; ties go to the lower price of the task, then the
  // higher reliability, then the lower node id. None when nothing free matches.
  virtual std::optional<Placement> match(const Demand& demand) const = 0;

  // Distinct nodes for a gang of requirements.nodes tasks, one each, in match()'s order: all of
  // them or none. Of the kGangOffersMax best offers that fit, in match()'s order, it takes the
  // smallest group that suffices: one rack, else one LAN, else one region, else anywhere. Of
  // several groups of that size the one whose best `nodes` cost least by the objective's measure
  // together (FASTEST: whose slowest is fastest); ties go to the one whose last node comes first.
  // Avoided nodes count only when there is no gang without them.
  virtual std::vector<Placement> match_gang(const Demand& demand) const = 0;

  // A page of the nodes that satisfy the query and the shape, best first: by `options.order`, or
  // by the demand's objective in exactly match()'s order. demand.avoid is not read.
  virtual std::vector<Placement> list(const Demand& demand, const ListOptions& options) const = 0;
  std::vector<Placement> list(const Demand& demand, bool free_only, std::size_t count_max) const;

  // Could it ever match, if everything offered were free, connected and its owner away? A gang: do
  // as many nodes as it has tasks?
  virtual bool possible(const Demand& demand) const = 0;

  // What would make it match now, each by the smallest change of one predicate or requirement;
  // cheapest result first, at most kRelaxationsMax. Empty when it matches as it is, and when no
  // single change helps. demand.avoid and the objective are not read. Of a gang each change gives
  // it nodes enough, and the cost is what the dearest of the cheapest gang then costs; what counts
  // as the smallest stands in core/gang_relaxations.h.
  virtual std::vector<v1::Relaxation> relaxations(const Demand& demand) const = 0;

  // Nodes known, offered or not.
  virtual std::size_t size() const = 0;

  // Of what the book knows of every node, in the order of ids: equal in all books that were told
  // the same.
  virtual Digest digest() const = 0;

 private:
  const Scoring& scoring_;
};
constexpr std::size_t kRelaxationsMax = 8;
constexpr std::size_t kGangOffersMax = 1'024;

// The block book: see core/block_book.h.
std::unique_ptr<Book> make_book(const Scoring& scoring = Scoring::plain());

// rate = devices * share * device_hour + disk * disk_gb_hour, each part rounded up to a micro.
// Saturates at the largest Micros.
Micros rate_of(const v1::Requirements& requirements, Micros device_hour, Micros disk_gb_hour);

// How many tasks of the demand could start on the node now, one after the other: at most
// `tasks_max`. 0 when none fits or the node does not match.
std::uint32_t tasks_that_fit(const Demand& demand, const Node& node, std::uint32_t tasks_max);

}  // namespace fallow::core
