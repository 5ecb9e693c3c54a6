// The grammar of the command line: sub-commands, options, what a value must be.
//
// A thin cover of CLI11, which stands in parser.cc alone: its header costs every file that reads it
// seconds of compilation. Names and behaviour are CLI11's.
//
// Owner: run_program, one thread. Parsers and options live as long as the root parser; what options
// are bound to must live until the parsing is over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fallow::cli {

// What a value must be; the help shows it.
struct Check {
  std::function<void(CLI::Option&)> add;
  std::vector<std::string> words = {};  // all that it may be; empty: more than can be listed
};
Check range(std::uint32_t least, std::uint32_t most);
Check range(double least, double most);
Check one_of(std::vector<std::string> words);
Check existing_folder();

// The value of an option is wrong, or something that was needed is missing: called while the line
// is parsed, they end the parsing with the message and exit code of a usage error.
[[noreturn]] void refuse_value(const std::string& option, const std::string& why);
[[noreturn]] void refuse_missing(const std::string& what);

// An option, flag or positional in words: for man pages and completion, which are made of the same
// grammar that reads the line.
struct OptionText {
  std::string names;  // "-n,--count"; of a positional its name
  std::vector<std::string> long_names;
  bool positional = false;
  bool required = false;
  bool repeated = false;           // it may be given several times
  std::string value;               // what it takes: "TEXT", "1 to 1000"; empty: a flag
  std::string initial;             // without it; empty: not said
  std::vector<std::string> words;  // all that the value may be; empty: more than can be listed
  std::string description;
};

class Option {
 public:
  explicit Option(CLI::Option& option) : option_(option) {}

  Option* required(bool is_required = true);
  Option* capture_default_str();  // the help shows the value it has now
  Option* excludes(const std::string& other);
  Option* excludes(Option* other);
  Option* needs(const std::string& other);
  Option* check(const Check& check);
  // Answers what is wrong with the text, or nothing.
  Option* check(std::function<std::string(const std::string&)> complaint);

 private:
  friend class Parser;
  CLI::Option& option_;
  std::vector<std::string> words_;
};

class Parser {
 public:
  Parser(const std::string& description, const std::string& name);  // the root
  ~Parser();
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  Parser* add_subcommand(const std::string& name, const std::string& description);

  // "name" is a positional, "-n,--name" an option. T: bool (a flag that takes true or false),
  // std::string, std::uint32_t, std::uint64_t, double, or a vector of strings, doubles or
  // std::uint32_t, which may be given several times.
  template <class T>
  Option* add_option(const std::string& name, T& value, const std::string& description = {});
  // The same for what is not simply stored. T: double, std::uint32_t, std::vector<std::string>.
  template <class T>
  Option* add_option_function(const std::string& name, std::function<void(const T&)> take,
                              const std::string& description);
  Option* add_flag(const std::string& name, bool& value, const std::string& description = {});
  Option* get_option(const std::string& name);  // that was added here
  // Goes with no other option that was added so far.
  void exclude_others(Option& option);
  void set_version_flag(const std::string& name, const std::string& version);

  void require_subcommand(std::size_t count);
  void fallthrough();  // options that are not known here may be the parent's
  void footer(const std::string& text);
  // The help's first line ends with these words, e.g. "-- COMMAND...": what stands behind `--` is
  // not the parser's.
  void takes_command(const std::string& words);
  void callback(std::function<void()> run);  // when it was chosen

  const std::string& name() const { return name_; }
  const std::string& description() const { return description_; }
  const std::string& footer_text() const { return footer_; }
  const std::string& command_words() const { return behind_; }  // see takes_command()
  const std::vector<std::unique_ptr<Parser>>& subcommands() const { return subcommands_; }
  std::vector<OptionText> options() const;  // in the order of the help
  // The options that the line gave to this parser, each as one word: "--price=0.35", "--cpu".
  std::vector<std::string> given() const;

  // Of the root: the exit code of a program that is to end at once (help was asked for, or the
  // line is wrong: it was printed), or none.
  std::optional<int> parse(int argc, const char* const* argv);

 private:
  Parser(CLI::App& app, const std::string& description, const std::string& name);
  Option* keep(CLI::Option& option);

  std::unique_ptr<CLI::App> root_;  // null in a sub-command
  CLI::App& app_;
  std::string description_;
  std::string name_;
  std::string footer_;
  std::string behind_;
  std::vector<std::unique_ptr<Parser>> subcommands_;
  std::vector<std::pair<CLI::Option*, std::unique_ptr<Option>>> options_;
};

}  // namespace fallow::cli
