// ProofTalk: one conversation with a process that proves (agent/prove.h): asks out, answers in.
//
// Whoever made the process owns its descriptors and hands them over call by call; both may not
// block. One thread, the agent's; no call waits.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fallow/v1/agent.pb.h"

namespace fallow::agent {

class ProofTalk {
 public:
  // Remembers the ask, to be answered by fail() if by nobody else.
  void add(const v1::ProofAsk& ask) { open_[ask.device()] = ask; }
  // Sends an ask that was added. False: it takes none, or no whole one.
  static bool send(int fd, const v1::ProofAsk& ask);
  // Takes what has come. Empty: there may be more later; else why there will not.
  std::string read(int fd);
  // Of those that were added: a late answer is none.
  std::vector<v1::ProofAnswer> take_answers();
  // Answers it with the reason; the last word is not to be answered.
  void refuse(const v1::ProofAsk& ask, const std::string& why);
  // Answers so all that were added.
  void fail(const std::string& why);
  // Another process, or another proof: half an answer is of the former one.
  void begin_anew() { buffer_.clear(); }
  void forget_asks() { open_.clear(); }

 private:
  bool parse();

  std::string buffer_;                          // at most a frame and a read
  std::map<std::uint32_t, v1::ProofAsk> open_;  // by device: asked and not answered
  std::vector<v1::ProofAnswer> answers_;
};

}  // namespace fallow::agent
