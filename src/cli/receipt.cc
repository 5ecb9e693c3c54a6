// fallow receipt: the signed bill of a lease, and its check by anyone.
#include "client/receipt.h"

#include "base/file.h"
#include "cli/command.h"

namespace fallow::cli {
namespace {

constexpr std::size_t kReceiptBytesMax = std::size_t{256} << 20;

struct ReceiptOptions {
  std::uint64_t lease = 0;
  std::string file;
  std::string market_key;
};

int show_receipt(const Context& context, const ReceiptOptions& options) {
  const auto api = context.connect();
  if (!api) return kUsage;
  v1::GetReceiptRequest request;
  request.set_lease(options.lease);
  const auto receipt = api->call<v1::Receipt>("Leases.GetReceipt", request);
  if (!receipt) return report(context, receipt.error());
  // A terminal's reader wants words; a file gets what can be verified.
  if (!context.terminal || context.json) {
    print_json(*receipt);
    return kDone;
  }
  const auto verified = client::verify_receipt(*receipt, nullptr);
  if (!verified) return report(context, verified.error());
  std::printf("%s", client::describe_receipt(verified->body).c_str());
  return kDone;
}

int verify(const Context& context, const ReceiptOptions& options) {
  const auto text = read_file(options.file, kReceiptBytesMax);
  if (!text) return report(context, text.error());
  const auto receipt = client::parse_receipt(*text);
  if (!receipt) return report(context, receipt.error());
  PublicKey key{};
  if (!options.market_key.empty()) {
    const auto bytes = from_hex(options.market_key);
    const auto parsed =
        bytes ? public_key_from_bytes(*bytes) : Result<PublicKey>(tl::unexpected(bytes.error()));
    if (!parsed) {
      std::fprintf(stderr,
                   "fallow: --market-key is 64 hex digits, as `fallow market` shows them\n");
      return kUsage;
    }
    key = *parsed;
  }
  const auto verified =
      client::verify_receipt(*receipt, options.market_key.empty() ? nullptr : &key);
  if (!verified) {
    std::fprintf(stderr, "fallow: %s\n", verified.error().message.c_str());
    return kJobFailed;
  }
  if (context.json) {
    print_json(verified->body);
    return kDone;
  }
  std::printf("%s", client::describe_receipt(verified->body).c_str());
  std::printf("verified: every signature, the Merkle root and every figure\n");
  if (options.market_key.empty()) {
    std::printf("note: signed by %s; pass --market-key to know that this is the market's own key\n",
                to_hex(receipt->market_public_key()).c_str());
  }
  return kDone;
}

}  // namespace

void add_receipt(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<ReceiptOptions>();
  Parser* command = app.add_subcommand("receipt", "the signed bill of a lease; check one offline");
  command->add_option("lease", options->lease, "an ended lease");
  command->footer(
      "Examples:\n  fallow receipt 12345 > bill.json\n"
      "  fallow receipt verify bill.json --market-key HEX");
  command->callback([=, &context] {
    if (context.run) return;
    if (options->lease == 0) refuse_missing("a lease, or `verify FILE`");
    context.run = [=, &context] { return show_receipt(context, *options); };
  });
  Parser* check = command->add_subcommand("verify", "check a receipt with nothing but the file");
  check->add_option("file", options->file, "the receipt, as `fallow receipt LEASE` printed it")
      ->required();
  check->add_option("--market-key", options->market_key, "the market's public key, in hex");
  check->callback(
      [=, &context] { context.run = [=, &context] { return verify(context, *options); }; });
}

}  // namespace fallow::cli
