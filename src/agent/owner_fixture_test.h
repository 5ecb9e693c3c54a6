// A root with files of /proc, /sys and /dev of the test's own.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fallow::agent {

class OwnerTreeTest : public testing::Test {
 protected:
  OwnerTreeTest() : root_(make_root()) {}
  ~OwnerTreeTest() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + "/" + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void drop(const std::string& path) { std::filesystem::remove_all(root_ + "/" + path); }
  // A process as /proc shows it.
  void put_process(int pid, int parent, const std::string& name, const std::string& program,
                   const std::string& words = "") {
    const std::string folder = "proc/" + std::to_string(pid) + "/";
    put(folder + "comm", name + "\n");
    put(folder + "stat",
        std::to_string(pid) + " (" + name + ") S " + std::to_string(parent) + " 1");
    put(folder + "cmdline", words);
    std::filesystem::remove(root_ + "/" + folder + "exe");
    if (!program.empty()) std::filesystem::create_symlink(program, root_ + "/" + folder + "exe");
  }

  const std::string root_;

 private:
  static std::string make_root() {
    std::string path = testing::TempDir() + "owner-XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    return path;
  }
};

}  // namespace fallow::agent
