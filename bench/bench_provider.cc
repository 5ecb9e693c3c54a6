#include "bench_provider.h"

#include <fmt/core.h>

#include "base/digest.h"

namespace fallow::bench {
namespace {

constexpr std::uint64_t kIdsPerCommand = 4'096;
constexpr std::uint64_t kOperator = kIdsPerCommand;  // the first command's account

std::string secret_hash() { return to_bytes(digest_of("secret")); }

}  // namespace

v1::NodeFacts bench_facts(std::size_t i, std::uint32_t devices) {
  v1::NodeFacts facts;
  facts.set_name(fmt::format("n{}", i));
  facts.set_region(i % 2 == 0 ? "eu" : "us");
  facts.set_cpu_thousandths(16'000);
  facts.set_memory_mb(64'000);
  facts.set_disk_mb(500'000);
  facts.set_isolation(v1::BUBBLEWRAP);
  for (std::uint32_t d = 0; d < devices; ++d) {
    v1::Device& device = *facts.add_devices();
    device.set_index(d);
    device.set_uuid(fmt::format("GPU-{}-{}", i, d));
    device.set_model("RTX_4090");
    device.set_kind(v1::GPU);
    device.set_memory_mb(24'564);
  }
  return facts;
}

std::uint64_t apply(engine::Engine& engine, const v1::Command& command) {
  const engine::Answer answer = must(engine.execute(command));
  FALLOW_CHECK(!answer.events.empty() && !answer.events[0].has_refused(), "{}",
               answer.events.empty() ? "nothing happened" : answer.events[0].ShortDebugString());
  return answer.index.value * kIdsPerCommand;
}

Provider::Provider(engine::Engine& engine, std::uint32_t nodes_max) : engine_(engine) {
  v1::Command open;
  open.set_actor(kOperator);
  open.mutable_open_account()->set_name("provider");
  open.mutable_open_account()->add_scopes(v1::PROVIDER);
  account_ = apply(engine_, open);
  v1::Command token;
  token.set_actor(account_);
  token.mutable_create_join_token()->set_account(account_);
  token.mutable_create_join_token()->set_secret_hash(secret_hash());
  token.mutable_create_join_token()->set_uses_max(nodes_max);
  apply(engine_, token);
}

std::uint64_t Provider::join(std::size_t i, std::string public_key, std::uint32_t devices) {
  v1::Command join;
  join.mutable_join_node()->set_secret_hash(secret_hash());
  join.mutable_join_node()->set_public_key(std::move(public_key));
  *join.mutable_join_node()->mutable_facts() = bench_facts(i, devices);
  return apply(engine_, join);
}

}  // namespace fallow::bench
