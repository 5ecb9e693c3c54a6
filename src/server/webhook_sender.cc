#include "server/webhook_sender.h"

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <utility>

#include "base/number.h"
#include "net/timer.h"
#include "net/url.h"

namespace fallow::server {
namespace {

constexpr std::size_t kAnswerBytesMax = 16 * 1024;  // of a body, which is thrown away
constexpr Duration kRetryAfterMax = hours(1);       // that a receiver may ask for

// What a person may be shown of an error: no byte that is no letter.
std::string ascii_of(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

std::optional<Duration> retry_after(const net::Headers& headers) {
  const std::string* const text = headers.find("Retry-After");
  if (text == nullptr) return std::nullopt;
  const auto wait_s = parse_number<std::uint32_t>(*text);  // a date is passed over
  if (!wait_s) return std::nullopt;
  return std::min(seconds(*wait_s), kRetryAfterMax);
}

WebhookAnswer answer_of(const net::Response& head) {
  WebhookAnswer answer;
  answer.status = head.status;
  if (head.status / 100 == 2) return answer;
  answer.wait = retry_after(head.headers);
  answer.trouble = head.status / 100 == 3
                       ? fmt::format(
                             "it answered {}: redirects are not followed, give the URL "
                             "that they lead to",
                             head.status)
                       : fmt::format("it answered {}", head.status);
  return answer;
}

}  // namespace

WebhookSender::WebhookSender(const WebhookTargets& targets,
                             std::shared_ptr<const net::TlsClient> tls, net::NameLookup lookup,
                             std::string url, WebhookTimes times)
    : times_(times), url_(std::move(url)) {
  if (auto why = targets.why_not(url_)) {
    refused_ = std::move(*why);
    return;
  }
  net::HttpClientOptions options;
  options.url = *net::parse_url(url_);
  target_ = options.url.target;
  options.tls = std::move(tls);
  options.connect_timeout = times.connect;
  options.lookup = std::move(lookup);
  options.allowed = [&targets, is_tls = options.url.is_tls](std::string_view address) {
    return targets.allows(address, is_tls);
  };
  client_ = std::make_unique<net::HttpClient>(std::move(options));
}

void WebhookSender::cancel() {
  if (client_) client_->cancel();
}

net::Task<WebhookAnswer> WebhookSender::send(WebhookMessage message) {
  WebhookAnswer answer;
  if (!client_) {
    answer.trouble = ascii_of(refused_);
    co_return answer;
  }
  net::ClientRequest request;
  request.method = "POST";
  request.target = target_;
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", "fallow");
  request.headers.set("webhook-id", message.id);
  request.headers.set("webhook-timestamp", std::to_string(message.timestamp_s));
  request.headers.set("webhook-signature", message.signature);
  request.body = std::move(message.body);
  request.body_bytes_max = kAnswerBytesMax;
  request.response_timeout = times_.answer;
  request.stall_timeout = times_.answer;
  std::optional<WebhookAnswer> answered;
  request.on_head = [&answered](const net::Response& head) -> Status {
    answered = answer_of(head);
    return {};
  };
  const net::Executor executor = co_await boost::asio::this_coro::executor;
  net::Timer deadline(executor);
  bool late = false;
  deadline.start(times_.connect + times_.total, [this, &late] {
    late = true;
    client_->cancel();
  });
  const Result<net::Response> response = co_await client_->send(std::move(request));
  deadline.cancel();
  // Whoever says that it has the message has it, whatever then becomes of the rest.
  if (answered) co_return std::move(*answered);
  answer.trouble = ascii_of(late ? "it took too long to answer" : response.error().message);
  co_return answer;
}

}  // namespace fallow::server
