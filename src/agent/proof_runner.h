// ProofRunner: the agent's end of the process that proves (agent/prove.h).
//
// Starts it with the first ask of a proof, hands asks on and brings answers back, and ends it when
// the proof is over, or at once when its devices are needed: then what was asked is answered with
// the reason. One thread, the agent's; no call waits.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "agent/launch.h"
#include "agent/program.h"
#include "agent/proof_talk.h"
#include "agent/prove.h"
#include "base/file.h"
#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

class ProofRunner {
 public:
  // `cache`: a folder of the agent's for compiled kernels, made by the driver. `program`: what is
  // started, the devices' words behind it.
  ProofRunner(const std::vector<LocalDevice>& devices, std::string cache,
              std::vector<std::string> program = {"/proc/self/exe", kProveMode});
  // Ends the process.
  ~ProofRunner();
  ProofRunner(const ProofRunner&) = delete;
  ProofRunner& operator=(const ProofRunner&) = delete;

  void ask(const v1::ProofAsk& ask);
  // Answers it with the reason.
  void refuse(const v1::ProofAsk& ask, const std::string& why) { talk_.refuse(ask, why); }
  // Readable when take_answers() has something; -1: no process runs, and poll() passes over it.
  int fd() const { return child_.out.get(); }
  std::vector<v1::ProofAnswer> take_answers();
  void stop(const std::string& why);
  bool is_running() const { return child_.pid > 0; }
  // A process that was ended is not gone yet: until then a driver may hold its device's memory.
  bool is_ending();

  // The words of the devices, as prove.h has them.
  static std::vector<std::string> words_of(const std::vector<LocalDevice>& devices);

 private:
  bool start();
  void end();
  void reap();

  const std::vector<std::string> program_;
  const std::vector<std::string> words_;  // one a device
  const std::string cache_;
  Child child_;
  ProofTalk talk_;
  std::uint64_t proof_ = 0;
  std::set<std::uint32_t> asked_;  // devices that may not let go yet
  std::vector<int> ending_;        // killed, not yet reaped: a driver may keep them a while
};

}  // namespace fallow::agent
