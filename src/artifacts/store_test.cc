#include "artifacts/store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "artifacts/test_store.h"

namespace fallow::artifacts {
namespace {

class StoreTest : public StoreFolderTest {
 protected:
  void SetUp() override {
    limits_.bytes_max = 10'000;
    limits_.blob_bytes_max = 8'000;
    limits_.uploads_max = 3;
    StoreFolderTest::SetUp();
  }
  std::size_t temporaries() {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::directory_iterator(root_ + "/store/uploads")) {
      ++count;
    }
    return count;
  }
};

TEST_F(StoreTest, KeepsBytesUnderTheirDigest) {
  const Digest digest = store_->put("hello").value();
  EXPECT_EQ(digest, digest_of("hello"));
  EXPECT_TRUE(store_->has(digest));
  EXPECT_EQ(store_->get_whole(digest, 5).value(), "hello");
  EXPECT_EQ(store_->get_whole(digest, 4).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(store_->put("hello").value(), digest);
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_EQ(store_->get(digest_of("other")).error().code, ErrorCode::kNotFound);
  reopen();
  EXPECT_EQ(store_->get_whole(digest, 5).value(), "hello");
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_TRUE(store_->check(digest));
}

TEST_F(StoreTest, ReadsRanges) {
  const auto blob = store_->get(store_->put("0123456789").value());
  ASSERT_TRUE(blob);
  EXPECT_EQ(blob->size(), 10U);
  std::string into(4, '.');
  EXPECT_EQ(blob->read(3, into).value(), 4U);
  EXPECT_EQ(into, "3456");
  EXPECT_EQ(blob->read(8, into).value(), 2U);
  EXPECT_EQ(blob->read(10, into).value(), 0U);
  EXPECT_EQ(blob->read(1'000'000, into).value(), 0U);
}

TEST_F(StoreTest, AnUploadGoesOnWhereItStopped) {
  const UploadKey key{digest_of("hello world"), 7};
  EXPECT_EQ(store_->begin(key, 11).value(), 0U);
  EXPECT_EQ(store_->append(key, 0, "hello").value(), 5U);
  EXPECT_FALSE(store_->has(key.digest));
  EXPECT_EQ(store_->begin(key, 11).value(), 5U);

  const auto misplaced = store_->append(key, 4, "o wo");
  ASSERT_FALSE(misplaced);
  EXPECT_EQ(misplaced.error().code, ErrorCode::kInvalid);
  EXPECT_NE(misplaced.error().message.find("goes on at 5"), std::string::npos);
  EXPECT_EQ(store_->append(key, 5, " world!").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(store_->begin(key, 12).error().code, ErrorCode::kInvalid);

  EXPECT_EQ(store_->append(key, 5, " world").value(), 11U);
  EXPECT_EQ(store_->get_whole(key.digest, 100).value(), "hello world");
  EXPECT_EQ(store_->begin(key, 11).value(), 11U);
  EXPECT_EQ(store_->append(key, 11, "").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->bytes_used(), 11U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, WrongBytesEndTheUpload) {
  const UploadKey key{digest_of("hello"), 7};
  ASSERT_TRUE(store_->begin(key, 5));
  const auto done = store_->append(key, 0, "jello");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(store_->has(key.digest));
  EXPECT_FALSE(store_->has(digest_of("jello")));
  EXPECT_EQ(store_->bytes_used(), 0U);
  EXPECT_EQ(temporaries(), 0U);
  EXPECT_EQ(store_->begin(key, 5).value(), 0U);
  EXPECT_EQ(store_->append(key, 0, "hello").value(), 5U);
}

TEST_F(StoreTest, OnesBadBytesDoNotSpoilAnothersUpload) {
  const Digest digest = digest_of("hello");
  ASSERT_TRUE(store_->begin({digest, 1}, 5));
  ASSERT_TRUE(store_->begin({digest, 2}, 5));
  ASSERT_TRUE(store_->append({digest, 1}, 0, "bad"));
  EXPECT_EQ(store_->append({digest, 2}, 0, "hello").value(), 5U);
  EXPECT_EQ(store_->append({digest, 1}, 3, "xx").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(store_->get_whole(digest, 5).value(), "hello");
  EXPECT_EQ(store_->bytes_used(), 5U);
}

TEST_F(StoreTest, TwoUploadsOfTheSameAreStoredOnce) {
  const Digest digest = digest_of("hello");
  ASSERT_TRUE(store_->begin({digest, 1}, 5));
  ASSERT_TRUE(store_->begin({digest, 2}, 5));
  EXPECT_EQ(store_->append({digest, 1}, 0, "hello").value(), 5U);
  EXPECT_EQ(store_->append({digest, 2}, 0, "hello").value(), 5U);
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, AnUploadThatAnotherOvertookIsForgotten) {
  const Digest digest = digest_of("hello");
  ASSERT_TRUE(store_->begin({digest, 1}, 5));
  ASSERT_TRUE(store_->append({digest, 1}, 0, "he"));
  ASSERT_TRUE(store_->put("hello"));
  EXPECT_EQ(store_->begin({digest, 1}, 5).value(), 5U);
  EXPECT_EQ(store_->append({digest, 1}, 2, "llo").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, NoBytesAreABlobToo) {
  const UploadKey key{digest_of(""), 7};
  EXPECT_EQ(store_->begin(key, 0).value(), 0U);
  EXPECT_TRUE(store_->has(key.digest));
  EXPECT_EQ(store_->begin({digest_of("x"), 7}, 0).error().code, ErrorCode::kCorrupt);
}

TEST_F(StoreTest, LimitsAreHeldAndSaid) {
  EXPECT_EQ(store_->put(std::string(8'001, 'x')).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(store_->begin({digest_of("x"), 1}, 8'001).error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(store_->begin({digest_of("x"), 1}, ~std::uint64_t{0}).error().code,
            ErrorCode::kTooLarge);
  ASSERT_TRUE(store_->put(std::string(6'000, 'x')));
  const auto full = store_->put(std::string(4'001, 'y'));
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, ErrorCode::kFull);
  EXPECT_NE(full.error().message.find("the artifact store is full"), std::string::npos);
  EXPECT_EQ(store_->begin({digest_of("y"), 1}, 4'001).error().code, ErrorCode::kFull);
  EXPECT_TRUE(store_->put(std::string(4'000, 'z')));
  EXPECT_EQ(store_->bytes_used(), 10'000U);
  ASSERT_TRUE(store_->remove(digest_of(std::string(4'000, 'z'))));
  EXPECT_EQ(store_->bytes_used(), 6'000U);
}

TEST_F(StoreTest, APieceBeyondTheRoomMayBeSentAgainLater) {
  const std::string content(6'000, 'a');
  const UploadKey key{digest_of(content), 1};
  ASSERT_TRUE(store_->begin(key, 6'000));
  ASSERT_TRUE(store_->append(key, 0, content.substr(0, 3'000)));
  const Digest other = store_->put(std::string(7'000, 'b')).value();
  EXPECT_EQ(store_->append(key, 3'000, content.substr(3'000)).error().code, ErrorCode::kFull);
  ASSERT_TRUE(store_->remove(other));
  EXPECT_EQ(store_->begin(key, 6'000).value(), 3'000U);
  EXPECT_EQ(store_->append(key, 3'000, content.substr(3'000)).value(), 6'000U);
  EXPECT_TRUE(store_->check(key.digest));
}

TEST_F(StoreTest, UploadsAreBoundedAndAbandoned) {
  for (std::uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(store_->begin({digest_of("x"), i}, 10));
  EXPECT_EQ(store_->begin({digest_of("x"), 3}, 10).error().code, ErrorCode::kBusy);
  ASSERT_TRUE(store_->append({digest_of("x"), 0}, 0, "abc"));
  EXPECT_EQ(store_->bytes_used(), 3U);
  store_->abandon({digest_of("x"), 0});
  store_->abandon({digest_of("none"), 0});
  EXPECT_EQ(store_->bytes_used(), 0U);
  EXPECT_TRUE(store_->begin({digest_of("x"), 3}, 10));
  EXPECT_EQ(temporaries(), 3U);
}

// The kernel refuses to write beyond RLIMIT_FSIZE as a full disk would.
TEST_F(StoreTest, AFullDiskLeavesTheStoreUsable) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = signal(SIGXFSZ, SIG_IGN);
  const std::string content(5'000, 'x');
  const UploadKey key{digest_of(content), 1};
  ASSERT_TRUE(store_->begin(key, content.size()));
  rlimit small = before;
  small.rlim_cur = 1'000;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto put = store_->put(content);
  const auto appended = store_->append(key, 0, content);
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, old_handler);
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code, ErrorCode::kFull);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, ErrorCode::kFull);
  EXPECT_EQ(store_->bytes_used(), 0U);
  EXPECT_EQ(store_->append(key, 0, content).value(), 5'000U);
  EXPECT_TRUE(store_->check(key.digest));
}

TEST_F(StoreTest, ACrashLeavesUploadsThatGoOnAndNothingElse) {
  const Digest digest = store_->put("kept").value();
  const UploadKey key{digest_of("hello world"), 7};
  ASSERT_TRUE(store_->begin(key, 11));
  ASSERT_TRUE(store_->append(key, 0, "hello"));
  // As a crash leaves it: the uploads are there, a temporary, and files that are none of ours.
  std::filesystem::copy(root_ + "/store", root_ + "/crashed",
                        std::filesystem::copy_options::recursive);
  ASSERT_TRUE(replace_file(root_ + "/crashed/blobs/readme", "x"));
  const std::string uploads = root_ + "/crashed/uploads/";
  const std::string hex = to_hex(key.digest);
  for (const std::string& name : {std::string("17"), hex, hex + "-7", hex + "-x-11", hex + "-7-3",
                                  hex + "-7-99999", "-" + hex + "-7-11", hex + "-7-11-"}) {
    ASSERT_TRUE(replace_file(uploads + name, "hello"));
  }
  const auto reopened = BlobStore::open(root_ + "/crashed", limits_);
  ASSERT_TRUE(reopened) << reopened.error().message;
  EXPECT_TRUE((*reopened)->has(digest));
  EXPECT_EQ((*reopened)->bytes_used(), 4U + 5U);
  EXPECT_EQ((*reopened)->uploads(), 1U);
  EXPECT_EQ((*reopened)->append(key, 4, "o wo").error().code, ErrorCode::kInvalid);
  EXPECT_EQ((*reopened)->begin(key, 11).value(), 5U);
  EXPECT_EQ((*reopened)->append(key, 5, " wo").value(), 8U);
  EXPECT_EQ((*reopened)->append(key, 8, "rld").value(), 11U);
  EXPECT_EQ((*reopened)->get_whole(key.digest, 100).value(), "hello world");
  EXPECT_EQ((*reopened)->bytes_used(), 4U + 11U);
  EXPECT_TRUE(std::filesystem::is_empty(uploads));
}

TEST_F(StoreTest, AnUploadGoesOnInTheStoresNextLife) {
  const UploadKey key{digest_of("hello world"), 7};
  ASSERT_TRUE(store_->begin(key, 11));
  for (std::uint64_t at = 0; at < 11; ++at) {
    reopen();
    EXPECT_EQ(store_->begin(key, 11).value(), at);
    ASSERT_TRUE(store_->append(key, at, std::string_view("hello world").substr(at, 1)));
  }
  reopen();
  EXPECT_EQ(store_->get_whole(key.digest, 100).value(), "hello world");
  EXPECT_EQ(store_->bytes_used(), 11U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, AWholeUploadThatGotNoNameGetsItWhenAskedFor) {
  const Digest digest = digest_of("hello");
  ASSERT_TRUE(replace_file(fmt::format("{}/store/uploads/{}-7-5", root_, to_hex(digest)), "hello"));
  ASSERT_TRUE(replace_file(fmt::format("{}/store/uploads/{}-8-5", root_, to_hex(digest)), "jello"));
  reopen();
  EXPECT_EQ(store_->begin({digest, 8}, 5).error().code, ErrorCode::kCorrupt);
  EXPECT_FALSE(store_->has(digest));
  set_long_ago(fmt::format("{}/store/uploads/{}-7-5", root_, to_hex(digest)));
  EXPECT_EQ(store_->begin({digest, 7}, 5).value(), 5U);
  EXPECT_FALSE(store_->remove_stored_before(digest, file_clock_now() - minutes(1)).value())
      << "it was stored now, though its last piece came long ago";
  EXPECT_EQ(store_->get_whole(digest, 5).value(), "hello");
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, NobodyHasAllUploads) {
  limits_.uploads_per_uploader_max = 2;
  reopen();
  for (std::uint64_t i = 0; i < 2; ++i)
    ASSERT_TRUE(store_->begin({digest_of(fmt::format("{}", i)), 1}, 10));
  EXPECT_EQ(store_->begin({digest_of("x"), 1}, 10).error().code, ErrorCode::kBusy);
  EXPECT_TRUE(store_->begin({digest_of("x"), 2}, 10));
}

TEST_F(StoreTest, AtTheLimitTheIdlestOfOnesOwnGivesWay) {
  limits_.uploads_per_uploader_max = 2;
  limits_.uploads_max = 8;
  reopen();
  const auto key = [](std::uint64_t i, std::uint64_t uploader) {
    return UploadKey{digest_of(fmt::format("{}", i)), uploader};
  };
  const auto set_idle = [&](std::uint64_t i, std::uint64_t uploader, int at) {
    set_long_ago(
        fmt::format("{}/store/uploads/{}-{}-10", root_, to_hex(key(i, uploader).digest), uploader),
        at);
  };
  ASSERT_TRUE(store_->begin(key(0, 1), 10));
  ASSERT_TRUE(store_->begin(key(1, 1), 10));
  ASSERT_TRUE(store_->begin(key(0, 2), 10));
  ASSERT_TRUE(store_->append(key(1, 1), 0, "abc"));
  EXPECT_EQ(store_->begin(key(2, 1), 10).error().code, ErrorCode::kBusy);
  set_idle(0, 1, 2'000);
  set_idle(1, 1, 1'000);
  set_idle(0, 2, 500);  // somebody else's
  EXPECT_EQ(store_->begin(key(2, 1), 10).value(), 0U);
  EXPECT_EQ(store_->uploads(), 3U);
  EXPECT_EQ(store_->bytes_used(), 0U);
  EXPECT_EQ(store_->append(key(1, 1), 3, "def").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(store_->append(key(0, 1), 0, "abc"));
  EXPECT_EQ(store_->begin(key(3, 1), 10).error().code, ErrorCode::kBusy) << "both go on";
}

// Something that is no folder stands where the blob's is to be.
TEST_F(StoreTest, WhatKeepsAWholeUploadFromItsNameMayPass) {
  const UploadKey key{digest_of("hello"), 7};
  const std::string path = path_of(key.digest);
  const std::string folder = path.substr(0, path.rfind('/'));
  const std::string above = folder.substr(0, folder.rfind('/'));
  ASSERT_TRUE(store_->begin(key, 5));
  ASSERT_TRUE(store_->append(key, 0, "hel"));
  ASSERT_TRUE(replace_file(above, "in the way"));
  EXPECT_FALSE(store_->append(key, 3, "lo"));
  EXPECT_FALSE(store_->begin(key, 5));
  EXPECT_EQ(store_->uploads(), 1U);
  EXPECT_EQ(store_->bytes_used(), 5U);
  ASSERT_TRUE(std::filesystem::remove(above));
  EXPECT_EQ(store_->begin(key, 5).value(), 5U) << "nothing is to be sent again";
  EXPECT_EQ(store_->get_whole(key.digest, 5).value(), "hello");
  EXPECT_EQ(store_->bytes_used(), 5U);
  EXPECT_EQ(temporaries(), 0U);
}

TEST_F(StoreTest, AnAlteredOrTruncatedBlobIsNoticedAndGivesWay) {
  for (const std::string& bytes :
       {std::string("hellO"), std::string("hell"), std::string("hello!")}) {
    const Digest digest = store_->put("hello").value();
    ASSERT_TRUE(replace_file(path_of(digest), bytes));
    EXPECT_EQ(store_->get_whole(digest, 100).error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(store_->check(digest).error().code, ErrorCode::kCorrupt);
    EXPECT_FALSE(store_->has(digest));
    EXPECT_EQ(store_->check(digest).error().code, ErrorCode::kNotFound);
    ASSERT_TRUE(store_->put("hello"));
    EXPECT_TRUE(store_->check(digest));
    ASSERT_TRUE(store_->remove(digest));
  }
}

TEST_F(StoreTest, ARemovedBlobStaysReadableToWhoHasIt) {
  const Digest digest = store_->put("hello").value();
  const auto blob = store_->get(digest);
  ASSERT_TRUE(store_->remove(digest));
  EXPECT_EQ(store_->remove(digest).error().code, ErrorCode::kNotFound);
  std::string into(5, '.');
  EXPECT_EQ(blob->read(0, into).value(), 5U);
  EXPECT_EQ(into, "hello");
}

TEST_F(StoreTest, OnlyWhatIsOldIsRemovedAsSuch) {
  const Digest digest = store_->put("hello").value();
  const Time past = file_clock_now() - minutes(1);
  EXPECT_FALSE(store_->remove_stored_before(digest, past).value());
  store_long_ago(digest);
  ASSERT_TRUE(store_->begin({digest, 1}, 5));  // somebody is about to name it
  EXPECT_FALSE(store_->remove_stored_before(digest, past).value());
  store_long_ago(digest);
  std::size_t seen = 0;
  ASSERT_TRUE(store_->visit([&](const BlobStore::Stored& blob) {
    ++seen;
    EXPECT_EQ(blob.digest, digest);
    EXPECT_EQ(blob.size, 5U);
    EXPECT_EQ(blob.stored_at.us, 1'000'000'000);
  }));
  EXPECT_EQ(seen, 1U);
  EXPECT_EQ(store_->remove_stored_before(digest, past).value(), 5U);
  EXPECT_TRUE(store_->sync_removals());
  EXPECT_FALSE(store_->remove_stored_before(digest, past).value());
  EXPECT_EQ(store_->bytes_used(), 0U);
}

TEST_F(StoreTest, ManyThreadsStoreReadAndSweep) {
  limits_.bytes_max = 1'000'000;
  reopen();
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string content =
            fmt::format("content {} of everybody {}", i, std::string(100, 'x'));
        const UploadKey key{digest_of(content), t % 2};  // two share each upload
        for (;;) {
          const auto offset = store_->begin(key, content.size());
          if (!offset) continue;  // too many uploads for a moment
          if (*offset == content.size()) break;
          // The other's piece may have come first, or a sweep: then it is begun again.
          (void)store_->append(key, *offset, std::string_view(content).substr(*offset, 30));
        }
        const auto back = store_->get_whole(key.digest, 1'000);
        EXPECT_TRUE(!back || *back == content);
      }
    });
  }
  for (int i = 0; i < 20; ++i) {
    store_->abandon_idle(file_clock_now() - seconds(60));
    EXPECT_TRUE(store_->visit([&](const BlobStore::Stored& blob) {
      EXPECT_FALSE(
          store_->remove_stored_before(blob.digest, file_clock_now() - seconds(60)).value());
    }));
  }
  for (std::thread& thread : threads) thread.join();
  const std::uint64_t used = store_->bytes_used();
  EXPECT_EQ(temporaries(), 0U);
  reopen();
  EXPECT_EQ(store_->bytes_used(), used);
}

}  // namespace
}  // namespace fallow::artifacts
