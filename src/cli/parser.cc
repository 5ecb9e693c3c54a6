#include "cli/parser.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <limits>
#include <type_traits>

#include "base/check.h"
#include "base/number.h"

namespace fallow::cli {

namespace {

constexpr const char* kNumberCheck = "number";

template <class T>
CLI::Validator range_of(T least, T most) {
  const auto complaint = [=](const std::string& text) {
    const auto number = parse_number<T>(text);
    if (number && *number >= least && *number <= most) return std::string();
    return fmt::format("'{}' is no {}number from {} to {}", text,
                       std::is_floating_point_v<T> ? "" : "whole ", least, most);
  };
  return {complaint, fmt::format("{} to {}", least, most)};
}

// CLI11 takes -1 for the largest number of all.
template <class T>
void expect_numbers(CLI::Option& option) {
  if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
    const auto complaint = [](const std::string& text) {
      if (parse_number<T>(text)) return std::string();
      return std::is_floating_point_v<T> ? fmt::format("'{}' is no number", text)
                                         : fmt::format("'{}' is no whole number from 0 to {}", text,
                                                       std::numeric_limits<T>::max());
    };
    option.check(complaint, "", kNumberCheck);
  }
}

// It says what a number is, too.
template <class T>
void set_range(CLI::Option& option, T least, T most) {
  option.get_validator(kNumberCheck)->active(false);
  option.check(range_of(least, most));
}

// What the command line says behind its options, for the help's first line.
class UsageWithCommand final : public CLI::Formatter {
 public:
  explicit UsageWithCommand(std::string behind) : behind_(std::move(behind)) {}
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = CLI::Formatter::make_usage(app, std::move(name));
    while (!usage.empty() && usage.back() == '\n') usage.pop_back();
    return usage + " " + behind_ + "\n";
  }

 private:
  const std::string behind_;
};

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// The sub-command that the line chose.
CLI::App& chosen(CLI::App& app) {
  const auto parsed = app.get_subcommands();
  return parsed.empty() ? app : chosen(*parsed.back());
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name()
                                     : full_name(*app.get_parent()) + " " + app.get_name();
}

// What is wrong with the line, and where to read how it is right.
int complain(CLI::App& root, const CLI::ParseError& error) {
  CLI::App& app = chosen(root);
  const auto unknown = root.remaining(true);
  std::string why = error.what();
  const char* advice = "tells how it is written";
  const bool lacks_command = !app.get_subcommands({}).empty() && !unknown.empty();
  if (lacks_command && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    why = fmt::format("there is no command '{}'", unknown.front());
    advice = "lists them";
  } else if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr && !unknown.empty()) {
    why = fmt::format("'{}' is not expected here", unknown.front());
  }
  const std::string name = full_name(app);
  std::fprintf(stderr, "%s: %s; `%s --help` %s\n", name.c_str(), why.c_str(), name.c_str(), advice);
  return error.get_exit_code();
}

}  // namespace

Check range(std::uint32_t least, std::uint32_t most) {
  return {[=](CLI::Option& option) { set_range(option, least, most); }};
}

Check range(double least, double most) {
  return {[=](CLI::Option& option) { set_range(option, least, most); }};
}

Check one_of(std::vector<std::string> words) {
  return {[words](CLI::Option& option) { option.check(CLI::IsMember(words)); }, words};
}

Check existing_folder() {
  return {[](CLI::Option& option) { option.check(CLI::ExistingDirectory); }};
}

void refuse_value(const std::string& option, const std::string& why) {
  throw CLI::ValidationError(option, why);
}

void refuse_missing(const std::string& what) { throw CLI::RequiredError(what); }

Option* Option::required(bool is_required) {
  option_.required(is_required);
  return this;
}

Option* Option::capture_default_str() {
  option_.capture_default_str();
  return this;
}

Option* Option::excludes(const std::string& other) {
  option_.excludes(other);
  return this;
}

Option* Option::excludes(Option* other) {
  option_.excludes(&other->option_);
  return this;
}

Option* Option::needs(const std::string& other) {
  option_.needs(other);
  return this;
}

Option* Option::check(const Check& check) {
  check.add(option_);
  words_ = check.words;
  return this;
}

Option* Option::check(std::function<std::string(const std::string&)> complaint) {
  option_.check(std::move(complaint));
  return this;
}

Parser::Parser(const std::string& description, const std::string& name)
    : root_(std::make_unique<CLI::App>(description, name)),
      app_(*root_),
      description_(description),
      name_(name) {}

Parser::Parser(CLI::App& app, const std::string& description, const std::string& name)
    : app_(app), description_(description), name_(name) {}

Parser::~Parser() = default;

Parser* Parser::add_subcommand(const std::string& name, const std::string& description) {
  subcommands_.push_back(std::unique_ptr<Parser>(
      new Parser(*app_.add_subcommand(name, description), description, name)));
  return subcommands_.back().get();
}

Option* Parser::keep(CLI::Option& option) {
  options_.emplace_back(&option, std::make_unique<Option>(option));
  return options_.back().second.get();
}

template <class T>
Option* Parser::add_option(const std::string& name, T& value, const std::string& description) {
  CLI::Option& option = *app_.add_option(name, value, description);
  expect_numbers<T>(option);
  return keep(option);
}

template <class T>
Option* Parser::add_option_function(const std::string& name, std::function<void(const T&)> take,
                                    const std::string& description) {
  CLI::Option& option = *app_.add_option_function<T>(name, take, description);
  expect_numbers<T>(option);
  return keep(option);
}

template Option* Parser::add_option(const std::string&, bool&, const std::string&);
template Option* Parser::add_option(const std::string&, std::string&, const std::string&);
template Option* Parser::add_option(const std::string&, std::uint32_t&, const std::string&);
template Option* Parser::add_option(const std::string&, std::uint64_t&, const std::string&);
template Option* Parser::add_option(const std::string&, double&, const std::string&);
template Option* Parser::add_option(const std::string&, std::vector<std::string>&,
                                    const std::string&);
template Option* Parser::add_option(const std::string&, std::vector<double>&, const std::string&);
template Option* Parser::add_option(const std::string&, std::vector<std::uint32_t>&,
                                    const std::string&);
template Option* Parser::add_option_function(const std::string&, std::function<void(const double&)>,
                                             const std::string&);
template Option* Parser::add_option_function(const std::string&,
                                             std::function<void(const std::uint32_t&)>,
                                             const std::string&);
template Option* Parser::add_option_function(const std::string&,
                                             std::function<void(const std::vector<std::string>&)>,
                                             const std::string&);

Option* Parser::add_flag(const std::string& name, bool& value, const std::string& description) {
  return keep(*app_.add_flag(name, value, description));
}

Option* Parser::get_option(const std::string& name) {
  CLI::Option* const wanted = app_.get_option_no_throw(name);
  for (const auto& [option, cover] : options_) {
    if (option == wanted) return cover.get();
  }
  FALLOW_CHECK(false, "no option {}", name);
  return nullptr;
}

void Parser::exclude_others(Option& option) {
  for (const auto& [other, cover] : options_) {
    if (cover.get() != &option) option.option_.excludes(other);
  }
}

void Parser::set_version_flag(const std::string& name, const std::string& version) {
  app_.set_version_flag(name, version);
}

void Parser::require_subcommand(std::size_t count) {
  app_.require_subcommand(static_cast<int>(count));
}

void Parser::fallthrough() { app_.fallthrough(); }
void Parser::footer(const std::string& text) {
  footer_ = text;
  app_.footer(text);
}
void Parser::takes_command(const std::string& words) {
  behind_ = words;
  app_.formatter(std::make_shared<UsageWithCommand>(words));
}
void Parser::callback(std::function<void()> run) { app_.callback(std::move(run)); }

std::vector<OptionText> Parser::options() const {
  std::vector<OptionText> texts;
  for (const CLI::Option* const option : std::as_const(app_).get_options()) {
    OptionText text;
    text.positional = option->get_positional();
    text.names = text.positional ? option->get_name(true) : option->get_name(false, true);
    text.long_names = option->get_lnames();
    text.required = option->get_required();
    text.repeated = option->get_items_expected_max() > 1;
    if (!is_flag(*option)) text.value = option->get_type_name();
    text.initial = option->get_default_str();
    text.description = option->get_description();
    for (const auto& [own, cover] : options_) {
      if (own == option) text.words = cover->words_;
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<std::string> Parser::given() const {
  std::vector<std::string> words;
  for (const auto& [option, cover] : options_) {
    if (option->count() == 0 || option->get_lnames().empty()) continue;
    const std::string name = "--" + option->get_lnames().front();
    for (const std::string& value : option->results()) {
      const bool is_set_flag = is_flag(*option) && value == "true";
      words.push_back(is_set_flag ? name : name + "=" + value);
    }
  }
  return words;
}

std::optional<int> Parser::parse(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version come as errors with the code 0.
    return error.get_exit_code() == 0 ? app_.exit(error) : complain(app_, error);
  }
  return std::nullopt;
}

}  // namespace fallow::cli
