// WebhookSender: one message to one receiver, over a connection that is kept for the next.
//
// A receiver is a stranger, and its address was chosen by one: it is connected to only where
// WebhookTargets allows, and to the very address that was looked at, so a name that leads elsewhere
// a moment later gains nothing. Redirects are not followed, and of an answer nothing is kept but
// its status: no word of what stands inside some network gets out by it.
//
// An object of one coroutine at a time on one executor; cancel() from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "net/dial.h"
#include "net/http_client.h"
#include "net/task.h"
#include "server/webhook_targets.h"

namespace fallow::server {

struct WebhookTimes {
  Duration connect = seconds(5);  // name, TCP and TLS together
  Duration answer = seconds(15);  // from the request's last byte to the answer's head
  Duration total = seconds(20);   // of one attempt, once connected
};

struct WebhookAnswer {
  int status = 0;                // 0: there was none
  std::string trouble;           // why it was no success; empty: it was one
  std::optional<Duration> wait;  // as the receiver asks before the next attempt
};

struct WebhookMessage {
  std::string id;
  std::string signature;
  std::int64_t timestamp_s = 0;
  std::string body;
};

class WebhookSender {
 public:
  // `tls` may be null when the system trusts nobody: then https fails, and says so. `lookup` asks
  // for names; empty: the system's resolver, one name at a time. `targets` outlives it.
  WebhookSender(const WebhookTargets& targets, std::shared_ptr<const net::TlsClient> tls,
                net::NameLookup lookup, std::string url, WebhookTimes times);

  const std::string& url() const { return url_; }
  net::Task<WebhookAnswer> send(WebhookMessage message);
  void cancel();

 private:
  const WebhookTimes times_;
  const std::string url_;
  std::string target_;
  std::string refused_;  // the URL's fault; empty: none
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace fallow::server
