#include "artifacts/manifest.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/env.h"

namespace fallow::artifacts {
namespace {

File file(std::string path, std::string_view content, bool executable = false) {
  return File{std::move(path), executable, content.size(), digest_of(content)};
}

// The folder of docs/formats/artifact.md.
std::vector<File> example() {
  return {file("run.sh", "#!/bin/sh\n", true), file("in/a.txt", "hi\n")};
}

Status make(std::vector<File> files, const Limits& limits = {}) {
  const auto made = Manifest::make(std::move(files), limits);
  if (!made) return tl::unexpected(made.error());
  return {};
}

TEST(Manifest, TextAndDigestAreThoseOfTheDocument) {
  const auto manifest = Manifest::make(example(), Limits{});
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->text(),
            "fallow manifest v1\n"
            "de9543b2ae1b2b87434a730727db17f5ac8b8c020b84a5cb8c5fbcc1423443ba 3 - in/a.txt\n"
            "008ee53e94c1e0fff627cfe82080cdd0f267457b2feb846dfb7d654e49115eb1 10 x run.sh\n");
  EXPECT_EQ(to_hex(manifest->digest()),
            "19390b32db3620e0ff26001f4d72d5b862294556fbbadb478cf3ac35193373f1");
  EXPECT_EQ(manifest->total_bytes(), 13U);
}

TEST(Manifest, AnEmptyFolderHasOneToo) {
  EXPECT_EQ(Manifest{}.text(), "fallow manifest v1\n");
  EXPECT_TRUE(Manifest::parse(Manifest{}.text(), Limits{})->files().empty());
}

TEST(Manifest, ParsesWhatItWrites) {
  const auto manifest = Manifest::make(example(), Limits{});
  const auto parsed = Manifest::parse(manifest->text(), Limits{});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->files(), manifest->files());
  EXPECT_EQ(parsed->files()[0].path, "in/a.txt");
  EXPECT_TRUE(parsed->files()[1].executable);
  EXPECT_EQ(parsed->digest(), manifest->digest());
}

TEST(Manifest, RefusesWhatCannotBeAFolder) {
  EXPECT_EQ(make({file("a", "1"), file("a", "2")}).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(make({file("a", "1"), file("a/b", "2")}).error().code, ErrorCode::kInvalid);
  // Not neighbours in the order of bytes: '-' sorts before '/'.
  EXPECT_EQ(make({file("a", "1"), file("a-b", "2"), file("a/b/c", "3")}).error().code,
            ErrorCode::kInvalid);
  EXPECT_EQ(make({file("../a", "1")}).error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(make({file("a", "1"), file("a-b", "2"), file("b/a", "3")}));
}

TEST(Manifest, LimitsAreHeld) {
  Limits limits;
  limits.files_max = 2;
  limits.bytes_max = 13;
  EXPECT_TRUE(make(example(), limits));
  EXPECT_EQ(make({file("a", ""), file("b", ""), file("c", "")}, limits).error().code,
            ErrorCode::kTooLarge);
  limits.bytes_max = 12;
  EXPECT_EQ(make(example(), limits).error().code, ErrorCode::kTooLarge);
  // Sizes that overflow when added.
  File huge = file("a", "");
  huge.size = ~std::uint64_t{0};
  EXPECT_EQ(make({huge, file("b", "1")}).error().code, ErrorCode::kTooLarge);
  limits = {};
  const std::string text = Manifest::make(example(), limits)->text();
  limits.manifest_bytes_max = text.size();
  EXPECT_TRUE(make(example(), limits));
  EXPECT_TRUE(Manifest::parse(text, limits));
  limits.manifest_bytes_max = text.size() - 1;
  EXPECT_EQ(make(example(), limits).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(Manifest::parse(text, limits).error().code, ErrorCode::kTooLarge);
}

TEST(Manifest, OnlyTheCanonicalTextIsAccepted) {
  const std::string head = "fallow manifest v1\n";
  const std::string hex(64, 'a');
  EXPECT_TRUE(Manifest::parse(head + hex + " 1 - a\n", Limits{}));
  for (const std::string& text : {
           std::string(),
           std::string("fallow manifest v1"),
           std::string("fallow manifest v2\n"),
           head + "\n",
           head + hex + " 1 - a",                                // cut off
           head + hex + " 1 - a\n\n",                            // a line too many
           fmt::format("{0}{1} 1 - b\n{1} 1 - a\n", head, hex),  // out of order
           fmt::format("{0}{1} 1 - a\n{1} 1 - a\n", head, hex),  // twice
           head + hex + " 01 - a\n",                             // two ways to write a size
           head + hex + " +1 - a\n",
           head + hex + " -1 - a\n",
           head + hex + " 18446744073709551616 - a\n",
           head + hex + "  1 - a\n",
           head + hex + " 1 y a\n",
           head + hex + " 1 - \n",
           head + hex + " 1 -\n",
           head + hex + " 1\n",
           head + std::string(64, 'A') + " 1 - a\n",
           head + std::string(63, 'a') + " 1 - a\n",
           head + hex + " 1 - ../a\n",
           head + hex + " 1 - a\r\n",
       }) {
    const auto parsed = Manifest::parse(text, Limits{});
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid) << text;
  }
}

// Whatever bytes come: a refusal, or the very text again.
TEST(Manifest, AlteredTextIsRefusedOrCanonical) {
  const std::string sound = Manifest::make(example(), Limits{})->text();
  const auto random = seeded_random(3);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = sound;
    for (std::uint64_t n = 1 + random->below(3); n > 0; --n) {
      const std::size_t at = random->below(text.size());
      switch (random->below(3)) {
        case 0:
          text[at] = static_cast<char>(random->below(256));
          break;
        case 1:
          text.erase(at, 1 + random->below(5));
          break;
        default:
          text.insert(at, text.substr(random->below(text.size()), random->below(80)));
      }
      if (text.empty()) text = " ";
    }
    const auto parsed = Manifest::parse(text, Limits{});
    if (!parsed) continue;
    EXPECT_EQ(parsed->text(), text);
    ++accepted;
  }
  EXPECT_GT(accepted, 100);  // an altered size or name is as good a manifest
}

}  // namespace
}  // namespace fallow::artifacts
