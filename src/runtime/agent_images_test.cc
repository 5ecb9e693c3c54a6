// The whole agent and orders with images, over a real store and real sandboxes.
#include <gmock/gmock.h>

#include "base/digest.h"
#include "runtime/agent_world_test.h"
#include "runtime/image_fixture_test.h"

namespace fallow::runtime {
namespace {

using testing::HasSubstr;

// The input is a folder of this machine, whatever the manifest.
class CopyStore final : public agent::FolderStore {
 public:
  Status fetch(const std::string&, const std::string& folder, std::uint64_t, const std::string&,
               const std::atomic<bool>&) override {
    std::filesystem::copy(from, folder, std::filesystem::copy_options::recursive);
    return {};
  }
  Result<Stored> put(const std::string&, std::uint64_t, Pace, const std::string&,
                     const std::atomic<bool>&) override {
    return fail(ErrorCode::kInvalid, "nothing is collected here");
  }
  Result<Stored> save(const std::string&, std::uint64_t, Duration, const std::string&,
                      const std::atomic<bool>&) override {
    return Stored{};
  }
  Status restore(const std::string&, const std::string&, std::uint64_t, const std::string&,
                 const std::atomic<bool>&) override {
    return fail(ErrorCode::kNotFound, "nothing is restored here");
  }
  std::string from;
};

class AgentImagesTest : public AgentTest {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "fallow_agent_input_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    copies_.from = pattern;
    AgentTest::SetUp();
    if (!agent_) return;
    if (!images_->why_not().empty()) GTEST_SKIP() << images_->why_not();
    write_oci_folder(
        copies_.from + "/tool", {shell_layer()},
        R"({"Env":["GREETING=hello"],"Entrypoint":["/bin/sh"],"Cmd":["-c","echo own"]})");
  }
  void TearDown() override {
    AgentTest::TearDown();
    images_.reset();
    remove_tree(copies_.from);
  }
  agent::Images* images() override {
    images_.reset();
    ImageStoreOptions options;
    options.folder = folder_ + "/images";
    auto opened = ImageStore::open(std::move(options));
    EXPECT_TRUE(opened) << opened.error().message;
    images_ = std::move(*opened);
    return images_.get();
  }
  agent::FolderStore& store() override { return copies_; }

  static v1::DesiredLease on_image(std::uint64_t id, const std::string& image,
                                   const std::string& script) {
    v1::DesiredLease desired = lease(id, script);
    // Behind the image's entrypoint.
    v1::Workload& workload = *desired.mutable_workload();
    workload.clear_command();
    if (!script.empty()) {
      workload.add_command("-c");
      workload.add_command(script);
    }
    workload.set_input_manifest("any");
    workload.set_image(image);
    return desired;
  }

  CopyStore copies_;
  std::unique_ptr<ImageStore> images_;
};

TEST_F(AgentImagesTest, RunsTheImageAndSaysWhichAndHowItCame) {
  hub_.desire({on_image(7, "oci:tool",
                        "read name < /etc/image-name; echo \"$GREETING from $name\"; "
                        "echo mine >&2; [ -e /usr/bin ] || echo alone")});
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.reason(), v1::COMPLETED) << ended.detail();
  EXPECT_EQ(hub_.log(7), "hello from an image\nalone\n");
  EXPECT_THAT(hub_.log(7, v1::STDERR), testing::StartsWith("fallow: looking for image oci:tool\n"));
  EXPECT_THAT(hub_.log(7, v1::STDERR), testing::EndsWith("\nmine\n"));
  EXPECT_THAT(file_text(copies_.from + "/tool/index.json"),
              HasSubstr(to_hex(ended.image_digest())));
  EXPECT_EQ(images_->leases(), std::vector<LeaseId>{LeaseId(7)});

  hub_.desire({on_image(8, "oci:tool", "")});
  EXPECT_EQ(hub_.wait_for(8, v1::ENDED).reason(), v1::COMPLETED);
  EXPECT_EQ(hub_.log(8), "own\n");
  hub_.desire({});
  wait_until_idle();
  EXPECT_TRUE(images_->leases().empty());
  EXPECT_EQ(images_->images().size(), 1);
}

TEST_F(AgentImagesTest, BlamesByWhatFailed) {
  const std::vector<std::pair<std::string, v1::EndReason>> cases = {
      {"oci:none", v1::INPUT_INVALID},
      {"NOT A NAME", v1::INPUT_INVALID},
      {"127.0.0.1:1/a/b", v1::INPUT_INVALID},
      {"nobody.invalid/a/b", v1::IMAGE_UNAVAILABLE}};
  std::vector<v1::DesiredLease> leases;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    leases.push_back(on_image(i + 1, cases[i].first, "true"));
    leases.back().set_device_thousandths(100);
  }
  hub_.desire(leases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const v1::WorkloadReport ended = hub_.wait_for(i + 1, v1::ENDED);
    EXPECT_EQ(ended.reason(), cases[i].second) << cases[i].first << ": " << ended.detail();
    EXPECT_THAT(ended.detail(), HasSubstr(cases[i].first));
    EXPECT_TRUE(ended.image_digest().empty());
  }
}

TEST_F(AgentImagesTest, ItsImageStaysWithAWorkloadThatOutlivesTheAgent) {
  const std::string script =
      "echo began; while [ ! -e go ]; do :; done; read name < "
      "/etc/image-name; echo $name";
  hub_.desire({on_image(7, "oci:tool", script)});
  hub_.wait_for_words(7, "began");
  const std::string digest = hub_.wait_for(7, v1::RUNNING).image_digest();
  EXPECT_EQ(digest.size(), 32);
  end();
  begin();
  EXPECT_EQ(images_->leases(), std::vector<LeaseId>{LeaseId(7)});
  std::ofstream(folder_ + "/leases/7/work/go") << "";
  const v1::WorkloadReport ended = hub_.wait_for(7, v1::ENDED);
  EXPECT_EQ(ended.reason(), v1::COMPLETED) << ended.detail();
  EXPECT_EQ(ended.image_digest(), digest);
  hub_.wait_for_words(7, "an image\n");  // they may come behind the report
  EXPECT_EQ(hub_.log(7), "began\nan image\n");
}

}  // namespace
}  // namespace fallow::runtime
