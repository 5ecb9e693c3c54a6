#include "agent/proof_talk.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "agent/prove.h"

namespace fallow::agent {

bool ProofTalk::send(int fd, const v1::ProofAsk& ask) {
  const std::string frame = proof_frame(ask.SerializeAsString());
  // Far less than a socket holds, and one ask a device at a time.
  return ::send(fd, frame.data(), frame.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(frame.size());
}

std::string ProofTalk::read(int fd) {
  std::array<char, 65'536> piece{};
  while (true) {
    const ssize_t n = ::read(fd, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return "";
    if (n <= 0) return "the device's driver ended the process that proves";
    buffer_.append(piece.data(), static_cast<std::size_t>(n));
    if (!parse()) return "the process that proves spoke nonsense";
  }
}

bool ProofTalk::parse() {
  constexpr std::size_t kHead = 4;
  while (buffer_.size() >= kHead) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < kHead; ++i) {
      bytes |= std::size_t{static_cast<unsigned char>(buffer_[i])} << (8 * i);
    }
    if (bytes > kProofFrameBytesMax) return false;
    if (buffer_.size() < kHead + bytes) return true;
    v1::ProofAnswer answer;
    if (answer.ParseFromArray(buffer_.data() + kHead, static_cast<int>(bytes)) &&
        open_.erase(answer.device()) > 0) {
      answers_.push_back(std::move(answer));
    }
    buffer_.erase(0, kHead + bytes);
  }
  return true;
}

std::vector<v1::ProofAnswer> ProofTalk::take_answers() { return std::exchange(answers_, {}); }

void ProofTalk::refuse(const v1::ProofAsk& ask, const std::string& why) {
  if (ask.step() == v1::PROOF_OVER) return;
  v1::ProofAnswer& answer = answers_.emplace_back();
  answer.set_proof(ask.proof());
  answer.set_device(ask.device());
  answer.set_step(ask.step());
  answer.set_failure(why);
}

void ProofTalk::fail(const std::string& why) {
  for (const auto& [device, ask] : open_) refuse(ask, why);
  open_.clear();
}

}  // namespace fallow::agent
