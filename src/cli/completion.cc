// fallow completion: words for the shell, made from the same parser that reads them.
#include <algorithm>

#include "cli/command.h"
#include "cli/shell.h"

namespace fallow::cli {
namespace {

// What may follow a command, as `fallow agent`.
struct Place {
  struct Word {
    std::string text;
    std::string description;
    std::vector<std::string> values;  // that an option may have; empty: any, or none
    bool takes_value = false;
  };
  std::string path;
  std::vector<Word> commands;
  std::vector<Word> options;           // "--name"
  std::vector<std::string> arguments;  // what the first positional may be
};

// Commands from the root down; every one takes the root's options, too.
void collect(const Parser& parser, const std::string& path, const std::vector<Place::Word>& common,
             std::vector<Place>& places) {
  Place place{.path = path};
  for (const auto& sub : parser.subcommands()) {
    place.commands.push_back({.text = sub->name(), .description = sub->description()});
  }
  for (const OptionText& option : parser.options()) {
    if (option.positional && place.arguments.empty()) place.arguments = option.words;
    for (const std::string& name : option.long_names) {
      place.options.push_back({.text = "--" + name,
                               .description = option.description,
                               .values = option.words,
                               .takes_value = !option.value.empty()});
    }
  }
  const std::vector<Place::Word> own = place.options;
  for (const Place::Word& word : common) {
    const bool known = std::any_of(own.begin(), own.end(),
                                   [&](const Place::Word& each) { return each.text == word.text; });
    if (!known) place.options.push_back(word);
  }
  const std::vector<Place::Word>& inherited = common.empty() ? own : common;
  places.push_back(std::move(place));
  for (const auto& sub : parser.subcommands()) {
    collect(*sub, path + " " + sub->name(), inherited, places);
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// `case` patterns of the commands that exist, so that other words are passed over.
std::string known_paths(const std::vector<Place>& places) {
  std::string patterns;
  for (const Place& place : places)
    patterns += (patterns.empty() ? "" : "|") + shell_quoted(place.path);
  return patterns;
}

std::string bash(const std::vector<Place>& places) {
  std::string values;
  std::string cases;
  for (const Place& place : places) {
    std::string words;
    for (const auto& command : place.commands) words += command.text + " ";
    words += joined(place.arguments);
    std::string options;
    for (const auto& option : place.options) {
      options += option.text + " ";
      if (option.values.empty()) continue;
      values += fmt::format("    {}) words={};;\n", shell_quoted(place.path + " " + option.text),
                            shell_quoted(joined(option.values)));
    }
    cases += fmt::format("    {})\n      words={} options={};;\n", shell_quoted(place.path),
                         shell_quoted(words), shell_quoted(options));
  }
  return fmt::format(R"(# bash completion of fallow, made by `fallow completion bash`.
_fallow() {{
  local at=fallow word=${{COMP_WORDS[COMP_CWORD]}} i words= options=
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    [[ ${{COMP_WORDS[i]}} == -- ]] && return
    case "$at ${{COMP_WORDS[i]}}" in
      {}) at+=" ${{COMP_WORDS[i]}}";;
    esac
  done
  case "$at ${{COMP_WORDS[COMP_CWORD-1]}}" in
{}  esac
  if [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case $at in
{}  esac
  [[ $word == -* ]] && words=$options
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o bashdefault -o default -F _fallow fallow
)",
                     known_paths(places), values, cases);
}

// zsh's _describe takes "word:description"; a colon within a word is written "\:".
std::string described(const Place::Word& word) {
  std::string text;
  for (const char c : word.text) text += c == ':' ? std::string("\\:") : std::string(1, c);
  return shell_quoted(text + ":" + word.description);
}

std::string zsh(const std::vector<Place>& places) {
  std::string values;
  std::string cases;
  for (const Place& place : places) {
    std::string words;
    std::string options;
    for (const auto& command : place.commands) words += "\n        " + described(command);
    for (const std::string& argument : place.arguments)
      words += "\n        " + shell_quoted(argument);
    for (const auto& option : place.options) {
      options += "\n        " + described(option);
      if (option.values.empty()) continue;
      values += fmt::format("    ({}) compadd {}; return;;\n",
                            shell_quoted(place.path + " " + option.text), joined(option.values));
    }
    cases += fmt::format("    ({})\n      commands=({})\n      options=({});;\n",
                         shell_quoted(place.path), words, options);
  }
  return fmt::format(R"(#compdef fallow
# zsh completion of fallow, made by `fallow completion zsh`.
_fallow() {{
  local at=fallow i
  local -a commands options
  for ((i = 2; i < CURRENT; i++)); do
    [[ ${{words[i]}} == -- ]] && {{ _files; return; }}
    case "$at ${{words[i]}}" in
      ({}) at+=" ${{words[i]}}";;
    esac
  done
  case "$at ${{words[CURRENT-1]}}" in
{}  esac
  case $at in
{}  esac
  if [[ ${{words[CURRENT]}} == -* ]]; then
    _describe -o option options
  else
    _describe command commands || _files
  fi
}}
if [[ ${{funcstack[1]}} == _fallow ]]; then
  _fallow "$@"
else
  compdef _fallow fallow
fi
)",
                     known_paths(places), values, cases);
}

std::string fish(const std::vector<Place>& places) {
  std::string text = fmt::format(R"(# fish completion of fallow, made by `fallow completion fish`.
function __fallow_at
    set -l at fallow
    for word in (commandline -opc)[2..-1]
        test "$word" = --; and return 1
        switch "$at $word"
            case {}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
)",
                                 [&] {
                                   std::string all;
                                   for (const Place& place : places)
                                     all += shell_quoted(place.path) + " ";
                                   return all;
                                 }());
  for (const Place& place : places) {
    const std::string at = fmt::format("complete -c fallow -n {}",
                                       shell_quoted("__fallow_at " + shell_quoted(place.path)));
    for (const auto& command : place.commands) {
      text +=
          fmt::format("{} -f -a {} -d {}\n", at, command.text, shell_quoted(command.description));
    }
    for (const std::string& argument : place.arguments) {
      text += fmt::format("{} -f -a {}\n", at, argument);
    }
    for (const auto& option : place.options) {
      text += fmt::format("{} -l {} -d {}", at, option.text.substr(2),
                          shell_quoted(option.description));
      if (!option.values.empty()) {
        text += " -x -a " + shell_quoted(joined(option.values));
      } else if (option.takes_value) {
        text += " -r";
      }
      text += '\n';
    }
  }
  return text;
}

int print_completion(const Parser& app, const std::string& shell) {
  std::vector<Place> places;
  collect(app, app.name(), {}, places);
  const std::string script = shell == "fish"  ? fish(places)
                             : shell == "zsh" ? zsh(places)
                                              : bash(places);
  std::fwrite(script.data(), 1, script.size(), stdout);
  return kDone;
}

}  // namespace

void add_completion(Parser& app, Context& context, Host& /*host*/) {
  auto shell = std::make_shared<std::string>();
  Parser* command = app.add_subcommand("completion", "print a completion script for your shell");
  command->add_option("shell", *shell, "yours")->required()->check(one_of({"bash", "zsh", "fish"}));
  command->footer(
      "Examples:\n"
      "  fallow completion bash > ~/.local/share/bash-completion/completions/fallow\n"
      "  fallow completion fish > ~/.config/fish/completions/fallow.fish");
  command->callback(
      [=, &app, &context] { context.run = [=, &app] { return print_completion(app, *shell); }; });
}

}  // namespace fallow::cli
