#!/usr/bin/env python3
"""Holds the documents to what there is: every relative link and anchor leads somewhere, and every `fallow` command that
a code block shows is one that the program takes, with options that it has.

Usage: tools/check_docs.py [--fallow PROGRAM]    Without a program only links are looked at. Prints each fault as
file:line and exits with 1 if there is any.
"""
import argparse
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!\\)!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
FENCE = re.compile(r"^\s*(```|~~~)")
FORMATS = ROOT / "docs" / "formats"  # their blocks show files, not commands
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def documents():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout
    return [ROOT / line for line in listed.splitlines() if (ROOT / line).exists()]


def lines_of(path):
    """(number, line, whether it is code) of a document."""
    fenced, before_blank = False, True
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if FENCE.match(line):
            fenced = not fenced
            yield number, "", True
            continue
        indented = line.startswith("    ") and before_blank
        yield number, line, fenced or indented
        before_blank = not line.strip() or indented


def slug(heading):
    """The anchor that a heading gets: as GitHub makes it."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[^\w\- ]", "", text.replace("`", "").strip().lower())
    return text.replace(" ", "-")


def slug_of_site(heading, _separator):
    """The same for the site (tools/site.py), which hands over the heading's text."""
    return slug(heading)


def anchors_of(path, known={}):
    if path not in known:
        found, counts = set(), {}
        for _, line, code in lines_of(path):
            heading = None if code else HEADING.match(line)
            if heading:
                name = slug(heading.group(2))
                count = counts.get(name, 0)
                counts[name] = count + 1
                found.add(f"{name}-{count}" if count else name)
        known[path] = found
    return known[path]


def links_of(path):
    """(number, target) of every link that leads to a file or an anchor of the tree."""
    for number, line, code in lines_of(path):
        if code:
            continue
        for target in LINK.findall(re.sub(r"`[^`]*`", "``", line)):
            if not re.match(r"[a-z][a-z0-9+.-]*:", target):
                yield number, target


def check_links(path):
    for number, target in links_of(path):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or ROOT not in [file, *file.parents]:
            yield number, f"{target}: there is no such file"
        elif anchor and file.suffix == ".md" and anchor not in anchors_of(file):
            yield number, f"{target}: {file.relative_to(ROOT)} has no such heading"


class Commands:
    """What the program takes, asked of its own help."""

    def __init__(self, program):
        self.program = program
        self.helps = {}
        self.count = 0

    def help(self, path):
        if path not in self.helps:
            done = subprocess.run([self.program, *path, "--help"], capture_output=True, text=True, timeout=60)
            self.helps[path] = done.stdout if done.returncode == 0 else ""
        return self.helps[path]

    def subcommands(self, path):
        _, _, list_of = self.help(path).partition("\nSubcommands:\n")
        return set(re.findall(r"^  ([a-z-]+)\s", list_of, re.M))

    def options(self, path):
        """Of the command and of those above it, which take theirs, too."""
        return {option for i in range(len(path) + 1) for option in OPTION.findall(self.help(path[:i]))}

    def faults(self, words):
        self.count += 1
        path = ()
        for word in words:
            if word in self.subcommands(path):
                path += (word,)
            elif not word.startswith("-"):
                break
        if not path and not set(words) & {"--version", "--help"}:
            yield f"fallow {' '.join(words)}: there is no such command"
            return
        for word in words:
            option = OPTION.match(word)
            if option and option.group() not in self.options(path):
                yield f"fallow {' '.join(path)} has no {option.group()}"


def commands_in(line):
    """The `fallow` commands of a line of a shell, each as its words."""
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quote that goes on in the next line
        words = line.split()
    command = None
    for word in [*words, ";"]:
        if word == "fallow" and command is None:
            command = []
        elif command is not None and (set(word) <= set("|&;()<>") or word == "--"):
            yield command
            command = None if word != "--" else command
            if word == "--":
                return  # what follows is a workload's
        elif command is not None:
            command.append(word)


def check_commands(path, commands):
    for number, line, code in lines_of(path):
        text = line.strip().removeprefix("$ ").removeprefix("sudo ")
        if not code or not re.match(r"(fallow|[A-Z_]+=\S+ fallow)\s", text):
            continue
        # "[OPTION]", "..." and alternatives belong to a description, not to a command.
        if re.search(r"\[[A-Z-]|\s\||…|\{", text) and not re.search(r"\| (man|jq|head|sh)\b", text):
            continue
        for words in commands_in(text):
            for fault in commands.faults(words):
                yield number, fault


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fallow", help="the program whose commands the documents show")
    program = parser.parse_args().fallow
    commands = Commands(program) if program else None
    faults, links = [], 0
    for path in documents():
        links += len(list(links_of(path)))
        found = list(check_links(path))
        if commands and FORMATS not in path.parents:
            found += check_commands(path, commands)
        faults += [f"{path.relative_to(ROOT)}:{number}: {fault}" for number, fault in found]
    print("\n".join(faults) or f"docs: ok, {links} links in {len(documents())} documents" +
          (f", {commands.count} commands" if commands else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
