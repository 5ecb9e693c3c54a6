#include "agent/owner_notes.h"

#include <gtest/gtest.h>

namespace fallow::agent {
namespace {

constexpr Time note_second(std::int64_t second) { return Time{} + seconds(second); }

TEST(OwnerNotes, TellEachChangeOnceWithItsAge) {
  OwnerNotes notes;
  notes.owner_is(v1::OWNER_AWAY, "nothing is seen of the owner", note_second(1));
  EXPECT_TRUE(notes.empty()) << "as an agent begins";
  notes.owner_is(v1::OWNER_PRESENT, "keyboard or mouse", note_second(10));
  notes.owner_is(v1::OWNER_PRESENT, "program doom runs", note_second(11));
  notes.lease_is(v1::LEASE_SUSPENDED, LeaseId(5), note_second(10));
  notes.lease_is(v1::LEASE_SUSPENDED, LeaseId(6), note_second(10));
  notes.lease_is(v1::LEASE_EVICTED, LeaseId(6), note_second(15));
  notes.owner_is(v1::OWNER_AWAY, "nothing is seen of the owner", note_second(20));
  notes.lease_is(v1::LEASE_RESUMED, LeaseId(5), note_second(20));
  const v1::Telemetry told = notes.telemetry(note_second(30));
  ASSERT_EQ(told.owner_size(), 6);
  EXPECT_EQ(told.owner(0).act(), v1::OWNER_CAME);
  EXPECT_EQ(told.owner(0).why(), "keyboard or mouse");
  EXPECT_EQ(told.owner(0).ago_us(), seconds(20).value);
  EXPECT_EQ(told.owner(1).act(), v1::LEASE_SUSPENDED);
  EXPECT_EQ(told.owner(1).lease(), 5U);
  EXPECT_EQ(told.owner(3).act(), v1::LEASE_EVICTED);
  EXPECT_EQ(told.owner(3).lease(), 6U);
  EXPECT_EQ(told.owner(4).act(), v1::OWNER_LEFT);
  EXPECT_EQ(told.owner(5).act(), v1::LEASE_RESUMED);
  EXPECT_EQ(told.owner(5).lease(), 5U);
  notes.sent();
  EXPECT_TRUE(notes.empty());
  notes.owner_is(v1::OWNER_PAUSED, "the owner said so", note_second(40));
  EXPECT_EQ(notes.telemetry(note_second(40)).owner(0).act(), v1::OWNER_PAUSED_NODE);
}

TEST(OwnerNotes, WhatNobodyHearsIsBoundedAndPlainText) {
  OwnerNotes notes;
  for (int i = 0; i < 100; ++i) {
    notes.owner_is(v1::OWNER_PRESENT, "program \xff\n " + std::string(300, 'x'), note_second(i));
    notes.owner_is(v1::OWNER_AWAY, "", note_second(i));
  }
  const v1::Telemetry told = notes.telemetry(note_second(100));
  ASSERT_EQ(static_cast<std::size_t>(told.owner_size()), OwnerNotes::kWaitingMax);
  EXPECT_EQ(told.owner(0).ago_us(), seconds(32).value) << "the oldest have left";
  EXPECT_TRUE(told.owner(0).why().starts_with("program ?? xxx"));
  EXPECT_EQ(told.owner(0).why().size(), OwnerNotes::kWhyBytesMax);
}

}  // namespace
}  // namespace fallow::agent
