// Every *.txt of this folder is a test: each command's events are as written below it. With
// FALLOW_REWRITE=1 the files are rewritten with what came instead; read the difference.
#include "scenario.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace fallow::scenario {
namespace {

std::string read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

std::string snapshot_of(const core::Machine& machine) {
  std::string bytes;
  machine.snapshot([&](std::string_view piece) { bytes += piece; });
  return bytes;
}

// The file with the output below each command replaced by what came.
std::string replay(const std::string& text) {
  Scenario scenario;
  std::istringstream lines(text);
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) continue;
    result += line + "\n";
    if (!line.starts_with("@")) continue;
    const Result<Line> parsed = parse_line(line);
    const Result<std::string> told =
        parsed ? scenario.run(*parsed) : tl::unexpected(parsed.error());
    result += told ? *told : "  cannot be understood: " + told.error().message + "\n";
  }
  core::Machine again;
  const std::string bytes = snapshot_of(scenario.machine());
  std::size_t at = 0;
  const Status restored = again.restore([&](char* to, std::size_t size) -> Result<std::size_t> {
    const std::size_t piece = std::min(size, bytes.size() - at);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), piece, to);
    at += piece;
    return piece;
  });
  EXPECT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(again.digest(), scenario.machine().digest());
  return result;
}

std::vector<std::filesystem::path> scenario_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(FALLOW_SCENARIOS)) {
    if (entry.path().extension() == ".txt" && entry.path().filename() != "CMakeLists.txt") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class ScenarioTest : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(ScenarioTest, TellsWhatIsWritten) {
  const std::string written = read(GetParam());
  ASSERT_NE(written.find('@'), std::string::npos) << GetParam() << " has no command";
  const std::string came = replay(written);
  EXPECT_EQ(came.find("cannot be understood"), std::string::npos) << came;
  if (std::getenv("FALLOW_REWRITE") != nullptr) {
    std::ofstream(GetParam(), std::ios::binary) << came;
    return;
  }
  EXPECT_EQ(written, came);
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioTest, testing::ValuesIn(scenario_files()),
                         [](const auto& file) {
                           std::string name = file.param.stem().string();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(ScenarioLine, IsRefusedWhenItCannotBeRead) {
  EXPECT_FALSE(parse_line("submit alice"));
  EXPECT_FALSE(parse_line("@5 submit alice"));
  EXPECT_FALSE(parse_line("@"));
  EXPECT_EQ(parse_line("@1s a b=\"c d\" E=f")->option("b"), "c d");
  EXPECT_EQ(parse_span("1.5h")->value, 5'400'000'000);
  EXPECT_FALSE(parse_span("h"));
}

TEST(ScenarioFiles, AreThere) { EXPECT_GE(scenario_files().size(), 12U); }

}  // namespace
}  // namespace fallow::scenario
