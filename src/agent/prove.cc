#include "agent/prove.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "agent/opencl_device.h"
#include "agent/prove_choice.h"
#include "base/bounded_queue.h"
#include "proof/prover.h"

namespace fallow::agent {
namespace {

constexpr std::size_t kAsksWaitingMax = 16;

bool read_all(int fd, char* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t n = ::read(fd, to, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

// Which device each word means; null where there is none.
std::vector<cl_device_id> devices_of(const std::vector<std::string_view>& words) {
  const bool has_nvml = std::any_of(
      words.begin(), words.end(), [](std::string_view word) { return word.starts_with("nvidia"); });
  std::vector<cl_device_id> listed;
  std::vector<ProveCandidate> candidates;
  if (has_nvml) {
    listed = opencl_nvidia_devices();
    for (const cl_device_id device : listed) candidates.push_back({"nvidia", pci_of(device)});
  }
  visit_opencl_devices(has_nvml, [&](cl_device_id device, const auto&, const std::string& pci) {
    listed.push_back(device);
    candidates.push_back({is_processor(device) ? "cpu" : "gpu", pci});
  });
  std::vector<cl_device_id> chosen;
  for (const std::optional<std::size_t>& place : choose_provers(words, candidates)) {
    chosen.push_back(place ? listed[*place] : nullptr);
  }
  return chosen;
}

class AnswerWriter {
 public:
  explicit AnswerWriter(int fd) : fd_(fd) {}
  void write(const v1::ProofAnswer& answer) {
    const std::string frame = proof_frame(answer.SerializeAsString());
    const std::lock_guard lock(mutex_);
    if (!write_all(fd_, frame)) ::_exit(1);  // nobody listens any more
  }

 private:
  std::mutex mutex_;
  int fd_;
};

// One device, on a thread of its own.
class Seat {
 public:
  Seat(cl_device_id id, AnswerWriter& writer)
      : id_(id), writer_(writer), thread_([this] { work_off(); }) {
    thread_.detach();  // the process ends by _exit: a driver may hang
  }
  void ask(v1::ProofAsk ask) {
    if (!asks_.try_push(std::move(ask))) ::_exit(1);
  }

 private:
  void work_off() {
    while (true) {
      for (const v1::ProofAsk& ask : asks_.pop_many(1, std::chrono::minutes(1))) answer(ask);
    }
  }
  void answer(const v1::ProofAsk& ask) {
    if (!prover_ && failure_.empty()) open();
    if (prover_) {
      const v1::ProofAnswer answer = prover_->answer(ask);
      if (ask.step() != v1::PROOF_OVER) writer_.write(answer);
      return;
    }
    v1::ProofAnswer answer;
    answer.set_proof(ask.proof());
    answer.set_device(ask.device());
    answer.set_step(ask.step());
    answer.set_failure(failure_);
    writer_.write(answer);
  }
  void open() {
    if (id_ == nullptr) {
      failure_ = "no OpenCL device stands for it: install its maker's OpenCL driver";
      return;
    }
    auto opened = open_opencl_device(id_);
    if (!opened) {
      failure_ = opened.error().message;
      return;
    }
    device_ = *std::move(opened);
    prover_.emplace(*device_);
  }

  cl_device_id id_;
  AnswerWriter& writer_;
  BoundedQueue<v1::ProofAsk> asks_{kAsksWaitingMax};
  std::unique_ptr<proof::Device> device_;
  std::optional<proof::Prover> prover_;
  std::string failure_;
  std::thread thread_;
};

}  // namespace

std::string proof_frame(std::string_view message) {
  const auto bytes = static_cast<std::uint32_t>(message.size());
  std::string frame(sizeof bytes, '\0');
  for (std::size_t i = 0; i < sizeof bytes; ++i) frame[i] = static_cast<char>(bytes >> (8 * i));
  frame += message;
  return frame;
}

int prove_devices_main(int argc, char** argv) {
  // Drivers print; the answers have the output to themselves.
  const int out = ::dup(STDOUT_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  AnswerWriter writer(out);
  const std::vector<std::string_view> words(argv, argv + argc);
  std::vector<std::unique_ptr<Seat>> seats;
  for (const cl_device_id id : devices_of(words)) {
    seats.push_back(std::make_unique<Seat>(id, writer));
  }
  while (true) {
    std::array<unsigned char, 4> head{};
    if (!read_all(STDIN_FILENO, reinterpret_cast<char*>(head.data()), head.size())) break;
    std::size_t bytes = 0;  // the lowest byte comes first
    for (std::size_t i = 0; i < head.size(); ++i) bytes |= std::size_t{head[i]} << (8 * i);
    std::string message(std::min(bytes, kProofFrameBytesMax), '\0');
    v1::ProofAsk ask;
    if (!read_all(STDIN_FILENO, message.data(), message.size()) || !ask.ParseFromString(message) ||
        ask.device() >= seats.size()) {
      break;
    }
    seats[ask.device()]->ask(std::move(ask));
  }
  ::_exit(0);
}

}  // namespace fallow::agent
