// fallow manual: man pages, made from the same parser that reads the line.
//
// One page of the program and one of each of its commands, with the commands below it as sections.
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "cli/command.h"

namespace fallow::cli {
namespace {

// Text as roff takes it literally.
std::string roff(std::string_view text) {
  std::string safe;
  bool line_begins = true;
  for (const char c : text) {
    if (line_begins && (c == '.' || c == '\'')) safe += "\\&";
    line_begins = c == '\n';
    if (c == '\\') {
      safe += "\\(rs";
    } else if (c == '-') {
      safe += "\\-";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string page_name(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string synopsis(const Parser& parser, const std::string& path) {
  std::string text = ".B " + roff(path) + "\n";
  std::string rest = "[OPTIONS]";
  for (const OptionText& option : parser.options()) {
    if (!option.positional) continue;
    const std::string name = upper(option.names) + (option.repeated ? "..." : "");
    rest += option.required ? " " + name : " [" + name + "]";
  }
  if (!parser.subcommands().empty()) rest += " [COMMAND]";
  if (!parser.command_words().empty()) rest += " " + parser.command_words();
  return text + roff(rest) + "\n";
}

// "-n,--count" as "-n, --count".
std::string spaced(const std::string& names) {
  std::string text;
  for (const char c : names) text += c == ',' ? std::string(", ") : std::string(1, c);
  return text;
}

std::string entry(const OptionText& option) {
  std::string text = ".TP\n.B ";
  text += roff(option.positional ? upper(option.names) : spaced(option.names));
  if (!option.value.empty() && !(option.positional && option.value == "TEXT")) {
    text += " \\fI" + roff(option.value) + "\\fR";
  }
  text += '\n';
  std::string words = option.description;
  if (!option.initial.empty()) words += " [" + option.initial + "]";
  if (option.required) words += " (required)";
  return text + roff(words.empty() ? "see above" : words) + "\n";
}

std::string entries(const Parser& parser, bool positional) {
  std::string text;
  for (const OptionText& option : parser.options()) {
    if (option.positional == positional && option.names != "-h,--help") text += entry(option);
  }
  return text;
}

// "Examples:" and what is below it stays as it was written.
std::string footer(const Parser& parser) {
  if (parser.footer_text().empty()) return {};
  return ".PP\n.nf\n" + roff(parser.footer_text()) + "\n.fi\n";
}

void add_sections(const Parser& parser, const std::string& path, std::string& page) {
  for (const auto& sub : parser.subcommands()) {
    const std::string name = path + " " + sub->name();
    page += ".SS \"" + roff(name) + "\"\n" + synopsis(*sub, name);
    page += ".PP\n" + roff(sub->description()) + "\n";
    page += entries(*sub, true) + entries(*sub, false) + footer(*sub);
    add_sections(*sub, name, page);
  }
}

std::string page_of(const Parser& app, const Parser& parser, const std::string& path) {
  const bool is_root = &parser == &app;
  std::string page = "'\\\" t\n.\\\" Made by `fallow manual` from the program's own grammar.\n";
  page += fmt::format(".TH \"{}\" 1 \"\" \"fallow {}\" \"Fallow\"\n", roff(upper(page_name(path))),
                      FALLOW_VERSION);
  page += ".nh\n.ad l\n";
  page += ".SH NAME\n" + roff(page_name(path)) + " \\- " + roff(parser.description()) + "\n";
  page += ".SH SYNOPSIS\n" + synopsis(parser, path);
  if (const std::string text = entries(parser, true); !text.empty())
    page += ".SH ARGUMENTS\n" + text;
  if (const std::string text = entries(parser, false); !text.empty())
    page += ".SH OPTIONS\n" + text;
  if (is_root) {
    page += ".SH COMMANDS\nEach has a page of its own, as\n.BR fallow\\-run (1).\n";
    for (const auto& sub : parser.subcommands()) {
      page += ".TP\n.B " + roff(sub->name()) + "\n" + roff(sub->description()) + "\n";
    }
  } else {
    page += ".PP\nEvery command takes the options of\n.BR fallow (1),\ntoo.\n";
    if (!parser.subcommands().empty()) {
      page += ".SH COMMANDS\n";
      add_sections(parser, path, page);
    }
  }
  if (!parser.footer_text().empty())
    page += ".SH NOTES\n.nf\n" + roff(parser.footer_text()) + "\n.fi\n";
  page +=
      is_root ? ".SH FILES\n.I ~/.config/fallow/config.toml\n" : ".SH SEE ALSO\n.BR fallow (1)\n";
  return page;
}

int write_pages(const Parser& app, const Context& context, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return report(context, Error{ErrorCode::kFailed,
                                 "cannot make the folder " + folder + ": " + error.message()});
  }
  const auto write = [&](const Parser& parser, const std::string& path) {
    return replace_file(folder + "/" + page_name(path) + ".1", page_of(app, parser, path), 0644);
  };
  if (const auto done = write(app, app.name()); !done) return report(context, done.error());
  for (const auto& sub : app.subcommands()) {
    const auto done = write(*sub, app.name() + " " + sub->name());
    if (!done) return report(context, done.error());
  }
  return kDone;
}

int print_page(const Parser& app, const Context& context, const std::string& name) {
  const Parser* found = name.empty() ? &app : nullptr;
  for (const auto& sub : app.subcommands()) {
    if (sub->name() == name) found = sub.get();
  }
  if (found == nullptr) {
    return report(context, Error{ErrorCode::kInvalid,
                                 "there is no command '" + name + "'; `fallow --help` lists them"});
  }
  const std::string path = found == &app ? app.name() : app.name() + " " + name;
  const std::string page = page_of(app, *found, path);
  std::fwrite(page.data(), 1, page.size(), stdout);
  return kDone;
}

}  // namespace

void add_manual(Parser& app, Context& context, Host& /*host*/) {
  auto name = std::make_shared<std::string>();
  auto folder = std::make_shared<std::string>();
  Parser* command = app.add_subcommand("manual", "print a man page, or write all of them");
  command->add_option("command", *name, "whose; default: the program's own");
  command->add_option("--out", *folder, "write every page into this folder instead");
  command->footer(
      "Examples:\n  fallow manual run | man -l -\n"
      "  fallow manual --out ~/.local/share/man/man1");
  command->callback([=, &app, &context] {
    context.run = [=, &app, &context] {
      return folder->empty() ? print_page(app, context, *name) : write_pages(app, context, *folder);
    };
  });
}

}  // namespace fallow::cli
