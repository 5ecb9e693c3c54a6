#include "agent/proof_runner.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

namespace fallow::agent {

std::vector<std::string> ProofRunner::words_of(const std::vector<LocalDevice>& devices) {
  std::vector<std::string> words;
  for (const LocalDevice& device : devices) {
    std::string& word = words.emplace_back(device.facts.driver() == "declared" ? "any"
                                           : !device.cuda_name.empty()         ? "nvidia"
                                           : device.facts.kind() == v1::CPU    ? "cpu"
                                                                               : "gpu");
    if (!device.pci.empty()) word += "@" + device.pci;
  }
  return words;
}

ProofRunner::ProofRunner(const std::vector<LocalDevice>& devices, std::string cache,
                         std::vector<std::string> program)
    : program_(std::move(program)), words_(words_of(devices)), cache_(std::move(cache)) {}

ProofRunner::~ProofRunner() { end(); }

bool ProofRunner::start() {
  std::vector<std::string> words = program_;
  words.insert(words.end(), words_.begin(), words_.end());
  // The order of NVIDIA's devices is NVML's, as in the inventory, where nobody knows their places.
  auto child = start_program(
      std::move(words),
      {"POCL_CACHE_DIR=" + cache_, "CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_CACHE_PATH=" + cache_});
  if (!child) return false;
  child_ = *std::move(child);
  ::fcntl(child_.out.get(), F_SETFL, O_NONBLOCK);
  return true;
}

void ProofRunner::ask(const v1::ProofAsk& ask) {
  reap();
  if (ask.step() == v1::PROOF_OVER) {
    if (ask.proof() == proof_ && asked_.erase(ask.device()) > 0 && asked_.empty()) end();
    return;
  }
  if (ask.proof() != proof_) {
    end();
    talk_.forget_asks();
    asked_.clear();
    proof_ = ask.proof();
  }
  asked_.insert(ask.device());
  talk_.add(ask);
  // Only a proof's first ask starts the process: what a device held is gone with it.
  if (!is_running() && (ask.step() != v1::PROOF_ECHO || !start())) {
    return talk_.fail("the process that proves has ended");
  }
  if (!ProofTalk::send(child_.in.get(), ask)) stop("the process that proves takes no asks");
}

std::vector<v1::ProofAnswer> ProofRunner::take_answers() {
  reap();
  const std::string over = is_running() ? talk_.read(child_.out.get()) : "";
  if (!over.empty()) stop(over);
  return talk_.take_answers();
}

void ProofRunner::stop(const std::string& why) {
  end();
  talk_.fail(why);
}

void ProofRunner::end() {
  if (!is_running()) return;
  ::kill(child_.pid, SIGKILL);
  ending_.push_back(child_.pid);
  child_ = Child{};
  talk_.begin_anew();
  reap();
}

bool ProofRunner::is_ending() {
  reap();
  return !ending_.empty();
}

void ProofRunner::reap() {
  std::erase_if(ending_, [](int pid) { return ::waitpid(pid, nullptr, WNOHANG) != 0; });
}

}  // namespace fallow::agent
