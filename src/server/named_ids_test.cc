#include "server/named_ids.h"

#include <gtest/gtest.h>

namespace fallow::server {
namespace {

TEST(NamedIds, AreThoseThatACommandOrAnEventNames) {
  v1::Command stop;
  stop.mutable_stop_lease()->set_lease(5);
  EXPECT_EQ(named_ids(stop).lease, 5U);
  EXPECT_EQ(named_ids(stop).node, 0U);
  v1::Event placed;
  placed.mutable_lease_placed()->set_lease(5);
  placed.mutable_lease_placed()->set_order(6);
  placed.mutable_lease_placed()->set_node(7);
  EXPECT_EQ(named_ids(placed).lease, 5U);
  EXPECT_EQ(named_ids(placed).order, 6U);
  EXPECT_EQ(named_ids(placed).node, 7U);
  EXPECT_EQ(named_ids(v1::Event()).lease, 0U);
  EXPECT_EQ(named_ids(v1::Command()).node, 0U);
}

TEST(NamedIds, OfAMeterRecordAreTheRecords) {
  v1::Event metered;
  metered.mutable_meter_accepted()->mutable_record()->set_lease(9);
  EXPECT_EQ(named_ids(metered).lease, 9U);
}

TEST(NamedIds, KindsHaveTheNamesOfTheSchema) {
  EXPECT_EQ(command_kind_name(v1::Command::kStopLease), "stop_lease");
  EXPECT_EQ(command_kind_name(1), "unknown") << "the actor is no kind";
  EXPECT_EQ(command_kind_name(0), "unknown");
  EXPECT_EQ(command_kind_number("stop_lease"), static_cast<int>(v1::Command::kStopLease));
  EXPECT_FALSE(command_kind_number("actor"));
  EXPECT_FALSE(command_kind_number("lease_ended"));
  EXPECT_EQ(event_kind_number("lease_ended"), static_cast<int>(v1::Event::kLeaseEnded));
}

}  // namespace
}  // namespace fallow::server
