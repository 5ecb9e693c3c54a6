// The book as plainly as it can be written: a scan over all nodes for every question. The model
// that the fast book is held to in tests and in the simulator; too slow for a market.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/types.h"
#include "core/book.h"

namespace fallow::core {

class NaiveBook final : public Book {
 public:
  explicit NaiveBook(const Scoring& scoring = Scoring::plain()) : Book(scoring) {}
  void speeds_changed() override {}
  void update(const Node& node) override { nodes_[node.id] = &node; }
  void update_load(const Node& node) override { nodes_[node.id] = &node; }
  void remove(NodeId node) override { nodes_.erase(node); }
  std::optional<Placement> match(const Demand& demand) const override;
  std::vector<Placement> match_gang(const Demand& demand) const override;
  using Book::list;
  std::vector<Placement> list(const Demand& demand, const ListOptions& options) const override;
  bool possible(const Demand& demand) const override;
  std::vector<v1::Relaxation> relaxations(const Demand& demand) const override;
  std::size_t size() const override { return nodes_.size(); }
  Digest digest() const override;

 private:
  struct Row;
  static bool holds(std::span<const NodeId> nodes, const Row& row);
  // The gang among these rows, in their order; empty: none.
  static std::vector<Row> gang_of(const std::vector<Row>& rows, const Demand& demand);
  std::optional<Row> row(const Node& node, const Demand& demand, bool free) const;
  std::vector<Row> rows(const Demand& demand, bool free) const;
  // The best row of the cheapest objective, nobody avoided.
  std::optional<Row> cheapest(const Demand& demand) const;
  // Every value of the predicate's field that stands in the book: a number or a word.
  std::set<std::pair<std::int64_t, std::string>> values_of(const Demand& demand,
                                                           const Predicate& predicate) const;
  std::vector<v1::Relaxation> gang_relaxations(const Demand& demand) const;
  void relax_gang_predicates(const Demand& cheapest, std::vector<v1::Relaxation>& out) const;
  void relax_gang_requirements(const Demand& cheapest, std::vector<v1::Relaxation>& out) const;
  void relax_predicates(const Demand& demand, std::vector<v1::Relaxation>& out) const;
  void relax_requirements(const Demand& demand, std::vector<v1::Relaxation>& out) const;

  std::map<NodeId, const Node*> nodes_;
};

}  // namespace fallow::core
