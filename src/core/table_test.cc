#include "core/table.h"

#include <gtest/gtest.h>

#include <map>

#include "base/env.h"

namespace fallow::core {
namespace {

std::vector<int> all(const Table<NodeId, int>& table) {
  std::vector<int> values;
  table.each([&](int value) { values.push_back(value); });
  return values;
}

TEST(Table, FindsVisitsAndForgets) {
  Table<NodeId, int> table;
  EXPECT_EQ(table.find(NodeId(1)), nullptr);
  int& ten = table.insert(NodeId(10), 10);
  table.insert(NodeId(20), 20);
  table.insert(NodeId(30), 30);
  EXPECT_EQ(table.find(NodeId(10)), &ten);
  std::vector<int> seen;
  const auto note = [&](int value) {
    seen.push_back(value);
    return true;
  };
  table.visit(NodeId(10), note);
  EXPECT_EQ(seen, (std::vector<int>{20, 30}));
  seen.clear();
  table.visit_down(NodeId(30), note);
  EXPECT_EQ(seen, (std::vector<int>{20, 10}));
  seen.clear();
  table.visit_down(NodeId(0), [&](int value) { return note(value) && value != 20; });
  EXPECT_EQ(seen, (std::vector<int>{30, 20}));
  table.erase(NodeId(20));
  table.erase(NodeId(20));
  EXPECT_EQ(all(table), (std::vector<int>{10, 30}));
  EXPECT_EQ(table.size(), 2U);
  EXPECT_EQ(table.last_id(), NodeId(30));
}

TEST(Table, KeepsAddressesThroughGapsAndGrowth) {
  const auto random = seeded_random(3);
  Table<NodeId, int> table;
  std::map<std::uint64_t, int*> model;
  for (std::uint64_t id = 1; id <= 5'000; ++id) {
    model[id] = &table.insert(NodeId(id), static_cast<int>(id));
    while (model.size() > 100 || (random->below(3) == 0 && !model.empty())) {
      const auto victim = model.lower_bound(random->below(id) + 1);
      if (victim == model.end()) break;
      table.erase(NodeId(victim->first));
      model.erase(victim);
    }
  }
  ASSERT_EQ(table.size(), model.size());
  std::vector<int> expected;
  for (const auto& [id, address] : model) {
    EXPECT_EQ(table.find(NodeId(id)), address);
    expected.push_back(static_cast<int>(id));
  }
  EXPECT_EQ(all(table), expected);
}

TEST(TableDeathTest, IdsAscend) {
  Table<NodeId, int> table;
  table.insert(NodeId(5), 1);
  EXPECT_DEATH(table.insert(NodeId(5), 2), "ascend");
  EXPECT_DEATH(table.insert(NodeId(0), 2), "ascend");
}

}  // namespace
}  // namespace fallow::core
