#include "agent/secret_desk.h"

#include <algorithm>

namespace fallow::agent {
namespace {

// Exactly what the order names, in its order.
Result<Secrets> sorted_out(const v1::DesiredLease& desired, const v1::LeaseSecrets& sent) {
  const v1::Workload& workload = desired.workload();
  if (sent.lease() != desired.lease()) {
    return fail(ErrorCode::kCorrupt, "the secrets that came are those of another lease");
  }
  Secrets secrets;
  for (const std::string& name : workload.secrets()) {
    const auto found = std::find_if(
        sent.environment().begin(), sent.environment().end(),
        [&name](const v1::EnvironmentVariable& variable) { return variable.name() == name; });
    if (found == sent.environment().end()) {
      return fail(ErrorCode::kCorrupt, "the secret {} was not among those that came", name);
    }
    if (found->value().find('\0') != std::string::npos) {
      return fail(ErrorCode::kCorrupt, "the secret {} holds a zero byte", name);
    }
    secrets.environment.emplace_back(name, found->value());
  }
  if (!workload.image_login()) return secrets;
  secrets.login = {sent.image_user(), sent.image_password()};
  if (secrets.login.empty()) {
    return fail(ErrorCode::kCorrupt, "the login of the image's registry was not among the secrets");
  }
  return secrets;
}

}  // namespace

SecretDesk::SecretDesk(const Signer& signer, Random& random, Duration wait_max)
    : signer_(signer), key_(SealingKey::generate(random)), wait_max_(wait_max) {}

const Secrets* SecretDesk::of(LeaseId lease) const {
  const auto found = here_.find(lease);
  return found == here_.end() ? nullptr : &found->second;
}

void SecretDesk::ask(const v1::DesiredLease& desired, Time now) {
  const auto [place, is_new] = waiting_.try_emplace(LeaseId(desired.lease()));
  if (!is_new) return;
  place->second.desired = desired;
  place->second.left = wait_max_;
  if (!is_connected_) return;
  place->second.ask_at = now;
  place->second.until = now + wait_max_;
}

void SecretDesk::set_connected(bool is_connected, Time now) {
  if (is_connected == is_connected_) return;
  is_connected_ = is_connected;
  for (auto& [lease, one] : waiting_) {
    if (!is_connected) one.left = std::max(one.until - now, Duration(0));
    one.ask_at = is_connected ? now : kNever;
    one.until = is_connected ? now + one.left : kNever;
  }
}

std::vector<v1::SecretAsk> SecretDesk::take_due(Time now) {
  std::vector<v1::SecretAsk> due;
  for (auto& [lease, one] : waiting_) {
    if (one.ask_at > now) continue;
    one.ask_at = now + kAskAgain;
    v1::SecretAsk& ask = due.emplace_back();
    ask.set_lease(lease.value);
    ask.set_order(one.desired.order());
    ask.set_public_key(key_.public_key());
    ask.set_signature(to_bytes(signer_.sign(secret_ask_bytes(lease, key_.public_key()))));
  }
  return due;
}

std::vector<v1::DesiredLease> SecretDesk::take_late(Time now) {
  std::vector<v1::DesiredLease> late;
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    if (one->second.until > now) {
      ++one;
      continue;
    }
    late.push_back(std::move(one->second.desired));
    one = waiting_.erase(one);
  }
  return late;
}

Time SecretDesk::next_deadline() const {
  Time at = kNever;
  for (const auto& [lease, one] : waiting_) at = std::min({at, one.ask_at, one.until});
  return at;
}

Result<v1::DesiredLease> SecretDesk::take(const v1::SealedSecrets& sent) {
  const auto waiting = waiting_.find(LeaseId(sent.lease()));
  if (waiting == waiting_.end()) {
    return fail(ErrorCode::kNotFound, "lease {} waits for no secrets", sent.lease());
  }
  FALLOW_ASSIGN(const std::string plain, key_.open(sent.sealed()));
  v1::LeaseSecrets opened;
  if (!opened.ParseFromString(plain)) {
    return fail(ErrorCode::kCorrupt, "the secrets that came cannot be read");
  }
  FALLOW_ASSIGN(Secrets secrets, sorted_out(waiting->second.desired, opened));
  v1::DesiredLease desired = std::move(waiting->second.desired);
  waiting_.erase(waiting);
  here_[LeaseId(desired.lease())] = std::move(secrets);
  return desired;
}

void SecretDesk::forget(LeaseId lease) {
  waiting_.erase(lease);
  here_.erase(lease);
}

}  // namespace fallow::agent
