#include "cli/download.h"

#include <cstdio>

namespace fallow::cli {

int print_download(const Context& context, client::Api& api, std::string_view rpc,
                   const google::protobuf::Message& request) {
  const Error full{ErrorCode::kFailed, "the table cannot be written: is the disk full?"};
  const auto done = api.download(rpc, request, [&full](std::string_view bytes) -> Status {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size()) return {};
    return tl::unexpected(full);
  });
  if (!done) return report(context, done.error());
  return std::fflush(stdout) == 0 ? kDone : report(context, full);
}

}  // namespace fallow::cli
