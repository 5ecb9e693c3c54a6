#include "client/refusal.h"

#include <google/protobuf/util/json_util.h>

namespace fallow::client {
namespace {

constexpr int kStatusFailed = 500;  // of a problem that states none

}  // namespace

ApiError refusal(const net::Response& response) {
  ApiError error{ApiError::Kind::kRefused, {}, {}};
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status =
      google::protobuf::util::JsonStringToMessage(response.body, &error.problem, options);
  if (!status.ok() || error.problem.detail().empty()) {
    error.problem.set_code("http_" + std::to_string(response.status));
    error.problem.set_detail(fmt::format("the server answered {} {}", response.status,
                                         net::status_text(response.status)));
  }
  error.problem.set_status(static_cast<std::uint32_t>(response.status));
  error.message = error.problem.detail();
  return error;
}

ApiError stated_refusal(const std::string& problem) {
  v1::Problem stated;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const bool is_read =
      google::protobuf::util::JsonStringToMessage(problem, &stated, options).ok() &&
      stated.status() != 0;
  return refusal({is_read ? static_cast<int>(stated.status()) : kStatusFailed, {}, problem});
}

}  // namespace fallow::client
