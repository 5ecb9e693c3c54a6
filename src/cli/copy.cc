// fallow cp: files into and out of a running lease.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "base/number.h"
#include "cli/command.h"
#include "cli/reach.h"
#include "tunnel/files.h"

namespace fallow::cli {
namespace {

struct CopyOptions {
  std::string from;
  std::string to;
};

struct LeasePath {
  std::uint64_t lease = 0;
  std::string path;
};

// "17:results/a.bin"; nothing: a path of this machine.
std::optional<LeasePath> lease_path(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0) return std::nullopt;
  const auto lease = parse_number<std::uint64_t>(std::string_view(text).substr(0, colon));
  if (!lease) return std::nullopt;
  LeasePath place;
  place.lease = *lease;
  place.path = text.substr(colon + 1);
  if (place.path.empty()) place.path = ".";
  return place;
}

// One copy on its way; what is known of it when the stream is over.
struct Copy {
  bool is_over = false;
  std::string failure;  // empty: it went well
  std::uint64_t bytes = 0;
};

void warn(const Context& context, const std::string& sentence) {
  if (context.json) return;
  std::fprintf(stderr, "fallow: %s\n", printable(sentence).c_str());
}

Result<std::shared_ptr<tunnel::FileReceiver>> receiver_at(const std::string& asked,
                                                          const std::string& to) {
  const tunnel::Landing landing = tunnel::landing_of(asked, to);
  FALLOW_ASSIGN(Fd opened, open_file(landing.folder, O_RDONLY | O_DIRECTORY));
  return std::make_shared<tunnel::FileReceiver>(
      std::make_shared<tunnel::Descriptor>(opened.release()), landing.name);
}

int run_copy(const Context& context, Reach& reach, Copy& copy) {
  HeardSignals signals;
  bool is_asked = false;
  signals.listen(reach.endpoint(), [&](int signal) { is_asked |= signal != SIGWINCH; });
  const Time begun = context.clock->monotonic();
  while (!copy.is_over && !is_asked && reach.endpoint().turn()) {
  }
  reach.endpoint().flush(kFlushMs);
  if (is_asked) return report(context, Error{ErrorCode::kFailed, "the copy was broken off"});
  if (!copy.is_over) return reach.ended(context, kJobFailed);
  if (!copy.failure.empty()) {
    report(context, Error{ErrorCode::kFailed, printable(copy.failure)});
    return kJobFailed;
  }
  const double took = static_cast<double>((context.clock->monotonic() - begun).value) / 1e6;
  if (context.json) {
    std::printf("{\"bytes\":\"%llu\",\"seconds\":%.3f}\n",
                static_cast<unsigned long long>(copy.bytes), took);
  } else if (context.terminal) {
    std::printf("%.1f MB in %s\n", static_cast<double>(copy.bytes) / 1e6, span_text(took).c_str());
  }
  return kDone;
}

int copy_in(const Context& context, const std::string& from, const LeasePath& to) {
  Result<Fd> root = open_file(from, O_RDONLY | O_NONBLOCK);
  if (!root) return report(context, root.error());
  std::error_code ignored;
  std::string name = std::filesystem::canonical(from, ignored).filename().string();
  if (name.empty()) name = "files";
  int exit_code = kDone;
  const auto reach = Reach::open(context, to.lease, exit_code);
  if (!reach) return exit_code;
  Copy copy;
  const std::uint32_t stream =
      reach->mux().open(tunnel::encode_request(tunnel::WriteFilesRequest{to.path}));
  const auto sender = std::make_shared<tunnel::FileSender>(
      std::make_shared<tunnel::Descriptor>(root->release()), name,
      [&context](const std::string& sentence) { warn(context, sentence); });
  reach->endpoint().add_producer(stream, [&, sender] {
    const auto step = sender->step(reach->mux(), stream);
    copy.bytes = sender->bytes_sent();
    if (step == tunnel::FileSender::Step::kMore) return true;
    if (step == tunnel::FileSender::Step::kFailed) {
      copy.failure = sender->failure();
      copy.is_over = true;
      reach->mux().reset(stream, copy.failure);
    } else {
      reach->mux().end(stream);
    }
    return false;
  });
  reach->endpoint().on_event([&](const tunnel::MuxEvent& event) {
    using Kind = tunnel::MuxEvent::Kind;
    if (event.kind == Kind::kReset) copy.failure = event.bytes;
    copy.is_over |= event.kind == Kind::kReset || event.kind == Kind::kEnded;
  });
  return run_copy(context, *reach, copy);
}

int copy_out(const Context& context, const LeasePath& from, const std::string& to) {
  auto made = receiver_at(from.path, to);
  if (!made) return report(context, made.error());
  const std::shared_ptr<tunnel::FileReceiver> receiver = std::move(*made);
  int exit_code = kDone;
  const auto reach = Reach::open(context, from.lease, exit_code);
  if (!reach) return exit_code;
  Copy copy;
  const std::uint32_t stream =
      reach->mux().open(tunnel::encode_request(tunnel::ReadFilesRequest{from.path}));
  const auto give_up = [&] {
    copy.failure = receiver->failure();
    copy.is_over = true;
    reach->mux().reset(stream, copy.failure);
  };
  reach->endpoint().add_taker(stream, [&](std::string_view bytes) {
    if (!copy.is_over && !receiver->data(bytes)) give_up();
  });
  reach->endpoint().on_event([&](const tunnel::MuxEvent& event) {
    using Kind = tunnel::MuxEvent::Kind;
    if (copy.is_over) return;
    tunnel::Note note;
    if (event.kind == Kind::kNote && tunnel::decode_note(event.bytes, note)) {
      if (const auto* entry = std::get_if<tunnel::EntryNote>(&note)) {
        if (!receiver->entry(*entry)) give_up();
      } else if (const auto* skipped = std::get_if<tunnel::SkippedNote>(&note)) {
        warn(context, skipped->reason);
      }
    }
    if (event.kind == Kind::kReset) copy.failure = event.bytes;
    if (event.kind == Kind::kEnded && !receiver->finish()) copy.failure = receiver->failure();
    copy.bytes = receiver->bytes_received();
    copy.is_over |= event.kind == Kind::kReset || event.kind == Kind::kEnded;
  });
  return run_copy(context, *reach, copy);
}

int copy(const Context& context, const CopyOptions& options) {
  const auto from = lease_path(options.from);
  const auto to = lease_path(options.to);
  if (from.has_value() == to.has_value()) {
    return report(context, Error{ErrorCode::kInvalid,
                                 "one of the two must be in a lease: 17:path; the other is a path "
                                 "of this machine (write ./17:x for a file of such a name)"});
  }
  return to ? copy_in(context, options.from, *to) : copy_out(context, *from, options.to);
}

}  // namespace

void add_copy(Parser& app, Context& context, Host& /*host*/) {
  auto options = std::make_shared<CopyOptions>();
  Parser* command = app.add_subcommand("cp", "copy files into or out of a running lease");
  command->add_option("from", options->from, "a file or folder: a path, or LEASE:PATH")->required();
  command->add_option("to", options->to, "where to: a path, or LEASE:PATH")->required();
  command->footer(
      "Paths in a lease lie below /work (so do relative ones) or /out. Folders are copied whole;\n"
      "links are left out and not followed.\n"
      "Examples:\n"
      "  fallow cp model.bin 17:\n"
      "  fallow cp 17:/out/checkpoints ./checkpoints\n");
  command->callback([options, &context] {
    context.run = [options, &context] { return copy(context, *options); };
  });
}

}  // namespace fallow::cli
