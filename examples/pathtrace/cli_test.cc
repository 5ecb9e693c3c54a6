// The program as the market runs it: arguments and environment in, files and exit codes out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <memory>

#include "pathtrace/test_scenes.h"

namespace fallow::pathtrace {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

struct Ran {
  int code = -1;
  std::string output;  // stdout and stderr
};

Ran run(const std::string& arguments, const std::string& environment = "") {
  const std::string command = environment + " '" + FALLOW_PATHTRACE + "' " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Ran ran;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    ran.output.append(buffer.data(), n);
  const int status = pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

TEST(Cli, TilesOfTasksBecomeOnePicture) {
  const Folder folder;
  folder.write("room.mtl", kRoomMtl);
  const std::string size = " --width 40 --height 24 --samples 2 --device host --scene " +
                           folder.write("room.obj", room_obj());
  for (const char* task : {"2", "0", "1"}) {
    const Ran ran = run("render" + size, std::string("FALLOW_TASKS=3 FALLOW_TASK=") + task +
                                             " FALLOW_OUT=" + folder.at("tiles/") + task);
    EXPECT_EQ(ran.code, 0) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(": 100% "));
  }
  const Ran joined = run("assemble --out " + folder.at("a.png") + " " + folder.at("tiles"));
  EXPECT_EQ(joined.code, 0) << joined.output;
  ASSERT_EQ(run("render" + size + " --out " + folder.at("whole")).code, 0);
  const Ran whole =
      run("assemble --out " + folder.at("b.png") + " " + folder.at("whole/tile-00000.fpt"));
  EXPECT_EQ(whole.code, 0) << whole.output;
  const auto pixels = [](const Ran& ran) { return ran.output.substr(ran.output.find("pixels")); };
  EXPECT_EQ(pixels(joined), pixels(whole));

  std::filesystem::remove(folder.at("tiles/1/tile-00001.fpt"));
  const Ran missing = run("assemble --out " + folder.at("c.png") + " " + folder.at("tiles"));
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.output, HasSubstr("tile 1 of 0 to 2 is missing"));
  EXPECT_FALSE(std::filesystem::exists(folder.at("c.png")));
}

TEST(Cli, BadInputIsOneSentenceAndACode) {
  const Folder folder;
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("render").code, 2);
  EXPECT_EQ(run("render --scene x.obj --task -1").code, 2);
  EXPECT_EQ(run("render --scene x.obj --width 99999999999").code, 2);
  const Ran missing = run("render --device host --scene " + folder.at("none.obj"));
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.output, MatchesRegex("pathtrace: there is no file .*none.obj\n"));
  const Ran broken = run("render --device host --scene " + folder.write("x.obj", "v 0 nan 0\n"));
  EXPECT_EQ(broken.code, 2);
  EXPECT_THAT(broken.output, HasSubstr("x.obj: line 1: "));
  EXPECT_EQ(run("assemble --out " + folder.at("p.png") + " " + folder.at("none")).code, 1);
  EXPECT_EQ(run("devices").code, 0);
  EXPECT_EQ(run("render --help").code, 0);
}

}  // namespace
}  // namespace fallow::pathtrace
