#include "tunnel/request.h"

#include "tunnel/frame.h"

namespace fallow::tunnel {
namespace {

class Writer {
 public:
  explicit Writer(char letter) { text_.push_back(letter); }
  Writer& number(std::uint32_t value) {
    put_u32(text_, value);
    return *this;
  }
  Writer& text(std::string_view value) {
    number(static_cast<std::uint32_t>(value.size()));
    text_.append(value);
    return *this;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

// Reads on after a mistake, too, and answers nothing of worth then; done() tells.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}
  std::uint32_t number() {
    if (left_.size() < 4) {
      good_ = false;
      return 0;
    }
    const std::uint32_t value = get_u32(left_.data());
    left_.remove_prefix(4);
    return value;
  }
  std::string text() {
    const std::uint32_t size = number();
    if (size > left_.size()) {
      good_ = false;
      return {};
    }
    std::string value(left_.substr(0, size));
    left_.remove_prefix(size);
    return value;
  }
  // A count of things that take at least four bytes each.
  std::uint32_t count() {
    const std::uint32_t value = number();
    if (value > left_.size() / 4) good_ = false;
    return good_ ? value : 0;
  }
  bool done() const { return good_ && left_.empty(); }

 private:
  std::string_view left_;
  bool good_ = true;
};

template <class... Handlers>
struct Overloaded : Handlers... {
  using Handlers::operator()...;
};
template <class... Handlers>
Overloaded(Handlers...) -> Overloaded<Handlers...>;

ExecRequest read_exec(Reader& reader) {
  ExecRequest exec;
  for (std::uint32_t left = reader.count(); left > 0; --left) exec.command.push_back(reader.text());
  for (std::uint32_t left = reader.count(); left > 0; --left) {
    std::string name = reader.text();
    exec.environment.emplace_back(std::move(name), reader.text());
  }
  exec.has_terminal = reader.number() != 0;
  exec.size.rows = reader.number();
  exec.size.columns = reader.number();
  return exec;
}

EntryNote read_entry(Reader& reader) {
  EntryNote entry;
  entry.is_folder = reader.number() != 0;
  entry.mode = reader.number();
  entry.bytes = reader.number();
  entry.bytes |= std::uint64_t{reader.number()} << 32;
  entry.path = reader.text();
  entry.name = reader.text();
  return entry;
}

}  // namespace

std::string encode_request(const Request& request) {
  return std::visit(
      Overloaded{
          [](const ExecRequest& exec) {
            Writer writer('x');
            writer.number(static_cast<std::uint32_t>(exec.command.size()));
            for (const std::string& word : exec.command) writer.text(word);
            writer.number(static_cast<std::uint32_t>(exec.environment.size()));
            for (const auto& [name, value] : exec.environment) writer.text(name).text(value);
            writer.number(exec.has_terminal ? 1 : 0);
            return writer.number(exec.size.rows).number(exec.size.columns).take();
          },
          [](const ForwardRequest& forward) { return Writer('p').number(forward.port).take(); },
          [](const ReadFilesRequest& read) { return Writer('r').text(read.path).take(); },
          [](const WriteFilesRequest& write) { return Writer('w').text(write.path).take(); }},
      request);
}

bool decode_request(std::string_view bytes, Request& request) {
  if (bytes.empty()) return false;
  Reader reader(bytes.substr(1));
  switch (bytes[0]) {
    case 'x':
      request = read_exec(reader);
      break;
    case 'p':
      request = ForwardRequest{reader.number()};
      break;
    case 'r':
      request = ReadFilesRequest{reader.text()};
      break;
    case 'w':
      request = WriteFilesRequest{reader.text()};
      break;
    default:
      return false;
  }
  return reader.done();
}

std::string encode_note(const Note& note) {
  return std::visit(
      Overloaded{
          [](const WindowSize& size) {
            return Writer('s').number(size.rows).number(size.columns).take();
          },
          [](const SignalNote& signal) { return Writer('k').number(signal.number).take(); },
          [](const ExitNote& exit) {
            return Writer('x').number(exit.code).text(exit.reason).take();
          },
          [](const EntryNote& entry) {
            Writer writer('e');
            writer.number(entry.is_folder ? 1 : 0).number(entry.mode);
            writer.number(static_cast<std::uint32_t>(entry.bytes));
            writer.number(static_cast<std::uint32_t>(entry.bytes >> 32));
            return writer.text(entry.path).text(entry.name).take();
          },
          [](const SkippedNote& skipped) { return Writer('l').text(skipped.reason).take(); }},
      note);
}

bool decode_note(std::string_view bytes, Note& note) {
  if (bytes.empty()) return false;
  Reader reader(bytes.substr(1));
  switch (bytes[0]) {
    case 's': {
      WindowSize size;
      size.rows = reader.number();
      size.columns = reader.number();
      note = size;
      break;
    }
    case 'k':
      note = SignalNote{reader.number()};
      break;
    case 'x': {
      ExitNote exit;
      exit.code = reader.number();
      exit.reason = reader.text();
      note = exit;
      break;
    }
    case 'e':
      note = read_entry(reader);
      break;
    case 'l':
      note = SkippedNote{reader.text()};
      break;
    default:
      return false;
  }
  return reader.done();
}

}  // namespace fallow::tunnel
