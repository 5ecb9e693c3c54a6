#include "agent/proof_runner.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
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
    open_.clear();
    asked_.clear();
    proof_ = ask.proof();
  }
  asked_.insert(ask.device());
  open_[ask.device()] = ask;
  // Only a proof's first ask starts the process: what a device held is gone with it.
  if (!is_running() && (ask.step() != v1::PROOF_ECHO || !start())) {
    return fail_asks("the process that proves has ended");
  }
  const std::string frame = proof_frame(ask.SerializeAsString());
  // Far less than a socket holds, and one ask a device at a time.
  if (::send(child_.in.get(), frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
      static_cast<ssize_t>(frame.size())) {
    end();
    fail_asks("the process that proves takes no asks");
  }
}

void ProofRunner::read() {
  std::array<char, 65'536> piece{};
  while (is_running()) {
    const ssize_t n = ::read(child_.out.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(n));
      parse();
      continue;
    }
    end();
    fail_asks("the device's driver ended the process that proves");
  }
}

void ProofRunner::parse() {
  constexpr std::size_t kHead = 4;
  while (buffer_.size() >= kHead) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < kHead; ++i) {
      bytes |= std::size_t{static_cast<unsigned char>(buffer_[i])} << (8 * i);
    }
    v1::ProofAnswer answer;
    if (bytes > kProofFrameBytesMax) {
      end();
      return fail_asks("the process that proves spoke nonsense");
    }
    if (buffer_.size() < kHead + bytes) return;
    if (answer.ParseFromArray(buffer_.data() + kHead, static_cast<int>(bytes)) &&
        open_.erase(answer.device()) > 0) {
      answers_.push_back(std::move(answer));
    }
    buffer_.erase(0, kHead + bytes);
  }
}

std::vector<v1::ProofAnswer> ProofRunner::take_answers() {
  reap();
  read();
  return std::exchange(answers_, {});
}

void ProofRunner::refuse(const v1::ProofAsk& ask, const std::string& why) {
  if (ask.step() == v1::PROOF_OVER) return;
  v1::ProofAnswer& answer = answers_.emplace_back();
  answer.set_proof(ask.proof());
  answer.set_device(ask.device());
  answer.set_step(ask.step());
  answer.set_failure(why);
}

void ProofRunner::fail_asks(const std::string& why) {
  for (const auto& [device, ask] : open_) refuse(ask, why);
  open_.clear();
}

void ProofRunner::stop(const std::string& why) {
  end();
  fail_asks(why);
}

void ProofRunner::end() {
  if (!is_running()) return;
  ::kill(child_.pid, SIGKILL);
  ending_.push_back(child_.pid);
  child_ = Child{};
  buffer_.clear();
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
