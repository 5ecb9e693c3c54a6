#include "log/entry.h"

#include <gtest/gtest.h>

namespace fallow::log {
namespace {

// The batch of docs/formats/log.md.
StoredEntry example_entry() {
  const std::string_view payloads[] = {"hi", "", "log"};
  StoredEntry entry;
  entry.first = LogIndex(1);
  entry.count = 3;
  entry.time = Time{1'700'000'000'000'000};
  entry.body = EncodedBatch(payloads).body();
  entry.chain = chain_after(genesis_chain(), entry.first, entry.time, entry.count, entry.body);
  return entry;
}

void expect_corrupt(StoredEntry entry, std::string_view says, const Head& before = genesis_head()) {
  const auto checked = Entry::check(before, std::move(entry));
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(checked.error().message.find(says), std::string::npos) << checked.error().message;
}

TEST(Entry, BytesAndDigestsAreThoseOfTheDocument) {
  const StoredEntry entry = example_entry();
  EXPECT_EQ(to_hex(std::span(reinterpret_cast<const std::uint8_t*>(entry.body.data()),
                             entry.body.size())),
            "020000006869"
            "00000000"
            "030000006c6f67");
  EXPECT_EQ(to_hex(genesis_chain()),
            "6fc9267376ff1a79ff3dc063c7b16f22887125fd63ef722520b239787f2c2d52");
  EXPECT_EQ(to_hex(entry.chain),
            "690f3397bc6a3b818758a064058ed36ff7ea0078d675df4d780260cf64e58731");
}

TEST(Entry, GivesBackWhatWasEncoded) {
  const auto entry = Entry::check(genesis_head(), example_entry());
  ASSERT_TRUE(entry);
  ASSERT_EQ(entry->size(), 3U);
  EXPECT_EQ(entry->payload(0), "hi");
  EXPECT_EQ(entry->payload(1), "");
  EXPECT_EQ(entry->payload(2), "log");
  EXPECT_EQ(entry->index(2), LogIndex(3));
  EXPECT_EQ(entry->last(), LogIndex(3));
  EXPECT_EQ(entry->head(), (Head{LogIndex(3), Time{1'700'000'000'000'000}, example_entry().chain}));
}

TEST(Entry, EveryAlteredByteIsNoticed) {
  for (std::size_t i = 0; i < example_entry().body.size(); ++i) {
    StoredEntry entry = example_entry();
    entry.body[i] = static_cast<char>(entry.body[i] ^ 0x10);
    expect_corrupt(std::move(entry), "the entry of commands 1 to 3 was altered or torn");
  }
  StoredEntry entry = example_entry();
  entry.chain[31] ^= 1;
  expect_corrupt(std::move(entry), "altered or torn");
  entry = example_entry();
  entry.time.us += 1;
  expect_corrupt(std::move(entry), "altered or torn");
  entry = example_entry();
  entry.count = 2;
  expect_corrupt(std::move(entry), "the entry of commands 1 to 2 was altered or torn");
  entry = example_entry();
  entry.body.pop_back();
  expect_corrupt(std::move(entry), "altered or torn");
}

TEST(Entry, AnEntryOutOfPlaceIsNoticed) {
  Head before = genesis_head();
  before.last = LogIndex(4);
  expect_corrupt(example_entry(), "the entry at command 1 should begin at command 5", before);
  before = genesis_head();
  before.chain[0] ^= 1;
  expect_corrupt(example_entry(), "altered or torn", before);
  before = genesis_head();
  before.time = Time{1'700'000'000'000'001};
  expect_corrupt(example_entry(), "before its predecessor's", before);
}

// A chain that fits proves only who wrote it, not that it is well formed.
TEST(Entry, AMalformedBodyIsRefusedThoughItsChainFits) {
  const auto with = [](std::string body, std::uint64_t count) {
    StoredEntry entry;
    entry.first = LogIndex(1);
    entry.count = count;
    entry.body = std::move(body);
    entry.chain = chain_after(genesis_chain(), entry.first, entry.time, count, entry.body);
    return entry;
  };
  using namespace std::string_literals;
  expect_corrupt(with(""s, 1), "ends within command 1");
  expect_corrupt(with("\1\0\0"s, 1), "ends within command 1");
  expect_corrupt(with("\2\0\0\0x"s, 1), "ends within command 1");
  expect_corrupt(with("\1\0\0\0x\xff\xff\xff\xffy"s, 2), "ends within command 2");
  expect_corrupt(with("\1\0\0\0xyz"s, 1), "2 bytes too many");
  expect_corrupt(with(""s, 0), "0 commands");
  expect_corrupt(with("\0\0\0\0"s, std::uint64_t{1} << 40), "which no entry has");
}

TEST(EncodedBatch, IsNoEntryBeyondTheMaxima) {
  EXPECT_EQ(EncodedBatch().check().error().code, ErrorCode::kInvalid);
  EncodedBatch many{std::vector<std::string_view>(kEntryCommandsMax)};
  EXPECT_TRUE(many.check());
  many.add({});
  EXPECT_EQ(many.check().error().code, ErrorCode::kTooLarge);
  EncodedBatch big;
  big.add(std::string(kEntryBytesMax - 4, 'x'));
  EXPECT_TRUE(big.check());
  big.add({});
  EXPECT_EQ(big.check().error().code, ErrorCode::kTooLarge);
  big.clear();
  EXPECT_EQ(big.check().error().code, ErrorCode::kInvalid);
  big.add("again");
  EXPECT_EQ(big.body(), EncodedBatch(std::vector<std::string_view>{"again"}).body());
}

}  // namespace
}  // namespace fallow::log
