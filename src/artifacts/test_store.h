// What tests of the store, the sweep and the server share: a store in a folder of its own, and
// files that look as if they had been stored long ago.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "artifacts/store.h"

namespace fallow::artifacts {

// The clock by which the store judges how old a file is.
inline Time file_clock_now() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return Time{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

// The file was written so long after the beginning of 1970.
inline void set_long_ago(const std::string& path, int seconds = 1'000) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
}

class StoreFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_store_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }
  void reopen() {
    store_.reset();
    auto opened = BlobStore::open(root_ + "/store", limits_);
    ASSERT_TRUE(opened) << opened.error().message;
    store_ = std::move(*opened);
  }
  std::string path_of(const Digest& digest) const {
    const std::string hex = to_hex(digest);
    return fmt::format("{}/store/blobs/{}/{}/{}", root_, hex.substr(0, 2), hex.substr(2, 2), hex);
  }
  void store_long_ago(const Digest& digest) const { set_long_ago(path_of(digest)); }

  std::string root_;
  StoreLimits limits_;  // set before reopen()
  std::unique_ptr<BlobStore> store_;
};

}  // namespace fallow::artifacts
