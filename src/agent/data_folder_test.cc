#include "agent/data_folder.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace fallow::agent {
namespace {

class DataFolderTest : public testing::Test {
 protected:
  DataFolderTest() : folder_(testing::TempDir() + "data-XXXXXX") {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~DataFolderTest() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name) const { std::ofstream(folder_ + "/" + name) << "x"; }
  void make(const std::string& name) const {
    std::filesystem::create_directory(folder_ + "/" + name);
  }

  std::string folder_;
};

TEST_F(DataFolderTest, AnAgentTakesAFolderOfItsOwn) {
  EXPECT_TRUE(check_takes_agent(folder_ + "/none"));
  EXPECT_TRUE(check_takes_agent(folder_)) << "an empty one";
  put("owner-policy.toml");
  put("agent.log");
  make("lost+found");
  EXPECT_TRUE(check_takes_agent(folder_)) << "a disk's root with a policy";
  make("images");
  const auto refused = check_takes_agent(folder_);
  ASSERT_FALSE(refused) << "somebody's photographs";
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("other things (images)"), std::string::npos);
  put("node.key");
  EXPECT_TRUE(check_takes_agent(folder_));
  EXPECT_FALSE(check_takes_agent(folder_ + "/node.key"));
}

TEST_F(DataFolderTest, OnlyWhatAnAgentMadeIsAnAgents) {
  put("owner-policy.toml");
  EXPECT_EQ(agents_names_in(folder_), std::vector<std::string>{"owner-policy.toml"});
  make("images");
  put("notes");
  put("membership");
  EXPECT_TRUE(agents_names_in(folder_).empty()) << "somebody's home";
  EXPECT_FALSE(is_agents_folder(folder_));
  put("node.key");
  put("node.key.new");
  make("thesis");
  EXPECT_TRUE(is_agents_folder(folder_));
  EXPECT_EQ(agents_names_in(folder_),
            (std::vector<std::string>{"owner-policy.toml", "images", "notes", "membership",
                                      "node.key.new", "node.key"}));
}

}  // namespace
}  // namespace fallow::agent
