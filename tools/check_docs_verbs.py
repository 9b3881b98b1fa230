#!/usr/bin/env python3
"""Gate: the documents and the command line agree. Every verb of plume and plume-server, and every option of theirs, stands in
a guide; commands in documents use verbs and options that exist.

Verbs and options are read from the sources that register them (src/cli/*.cc, src/server/main.cc), commands from code spans and
code blocks; what stands behind " -- " belongs to another program.
"""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GUIDES = ["README.md", "docs/user-guide.md", "docs/administrator-guide.md"]
# Said once for all verbs.
GENERAL = {"--json", "--help", "-h", "--version"}


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def cli_verbs(sources):
    """{"vm run": {"--rm", ...}} of plume's sources."""
    verbs = {}
    for text in sources:
        groups = {name: verb for name, verb in
                  re.findall(r"CLI::App\* (\w+) = AddGroup\(app, \"([\w-]+)\"", text)}
        groups["vm"] = "vm"  # made by main.cc, a parameter elsewhere
        here, of_variable = [], {}
        for variable, parent, name in re.findall(
                r"(?:CLI::App\*\s+(\w+)\s*=\s*)?Add\w+\(\s*\*?(\w+),\s*context,\s*\"([\w-]+)\"", text):
            verb = f"{groups[parent]} {name}" if parent in groups else name
            verbs[verb] = set()
            here.append(verb)
            if variable:
                of_variable[variable] = [verb]
        for variable, names in re.findall(r"(\w+)->add_(?:option|flag)\(\s*\"(-[^\"]+)\"", text):
            for verb in of_variable.get(variable, here):  # one for all: a loop, a helper
                verbs[verb].update(names.split(","))
    return verbs


def server_verbs(text):
    verbs, of_variable = {}, {}
    for variable, name in re.findall(r"(\w+)\s*=\s*app\.add_subcommand\(\s*\"([\w-]+)\"", text):
        verbs[name], of_variable[variable] = set(), name
    for variable, names in re.findall(r"(\w+)->add_(?:option|flag)\(\s*\"(-[^\"]+)\"", text):
        verbs[of_variable[variable]].update(names.split(","))
    return verbs


def code(text):
    """Code spans and lines of code blocks."""
    out, fenced = [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            out += line.split("#")
        else:
            out += re.findall(r"`([^`]+)`", line)
    return out


def commands(text):
    """("plume", ["vm", "run", ...]) of every command in `text`."""
    for piece in code(text):
        for part in re.split(r"[;&|]", piece):
            m = re.search(r"(?:^|\s)(plume|plume-server)(?:\.exe)? (.+)", part)
            if m:
                yield m.group(1), re.split(r"\s--(?:\s|$)", " " + m.group(2), maxsplit=1)[0].split()


def wrong_use(words, verbs):
    """What is wrong with the words of one command, or None."""
    if words[0].startswith("-"):
        return None if words[0] in GENERAL else f"no option {words[0]}"
    if re.match(r"[A-Z]|\.\.\.", words[0]):
        return None  # "plume VERB --help"
    verb = " ".join(words[:2]) if any(v.startswith(words[0] + " ") for v in verbs) else words[0]
    if verb not in verbs:
        return None if len(words) > 1 and re.match(r"[A-Z]", words[1]) and verb != words[0] else f"no verb '{verb}'"
    for word in words:
        option = re.match(r"--?[a-z][\w-]*", word)
        if option and option.group() not in verbs[verb] | GENERAL:
            return f"'{verb}' has no option {option.group()}"
    return None


def self_test():
    verbs = cli_verbs(['CLI::App* group = AddGroup(app, "cache", "x");\n CLI::App* a =\n AddCommand(*group, context, "show", "x");\n'
                       'a->add_flag("-f,--force", x);\nAddReader(*group, context, "list", "x");\nc->add_flag("--all", x);',
                       'CLI::App* c = AddCommand(\n  vm, context, "run", "x");\nc->add_option("NAME", x);\nc->add_option("--env", x);'])
    assert verbs == {"cache show": {"-f", "--force", "--all"}, "cache list": {"--all"}, "vm run": {"--env"}}, verbs
    text = "a `plume vm run x --env a -- p --no` and plume prose\n\n    plume cache show --all  # plume vm stop x;  plume vm run --no\n"
    found = [(" ".join(words), wrong_use(words, verbs)) for _, words in commands(text)]
    assert found == [("vm run x --env a", None), ("cache show --all", None), ("vm stop x", "no verb 'vm stop'"),
                     ("vm run --no", "'vm run' has no option --no")], found


def main():
    self_test()
    verbs = {"plume": cli_verbs([read(os.path.relpath(p, ROOT)) for p in sorted(glob.glob(os.path.join(ROOT, "src/cli/*.cc")))]),
             "plume-server": server_verbs(read("src/server/main.cc"))}
    wrong, used, guides = [], set(), ""
    documents = GUIDES + sorted(os.path.relpath(p, ROOT) for p in glob.glob(os.path.join(ROOT, "docs/**/*.md"), recursive=True)
                                if os.path.relpath(p, ROOT) not in GUIDES)
    count = 0
    for path in documents:
        text = read(path)
        if path in GUIDES:
            guides += text
        for program, words in commands(text):
            count += 1
            problem = wrong_use(words, verbs[program])
            if problem:
                wrong.append(f"{path}: {program} {' '.join(words)}: {problem}")
            if path in GUIDES:
                used.add((program, words[0]))
                used.add((program, " ".join(words[:2])))
    for program, known in verbs.items():
        for verb, options in known.items():
            if (program, verb) not in used:
                wrong.append(f"{program} {verb}: no guide shows it")
            for option in sorted(options - GENERAL):
                if option.startswith("--") and not re.search(re.escape(option) + r"(?![\w-])", guides):
                    wrong.append(f"{program} {verb}: no guide speaks of {option}")
    for line in wrong:
        print(line)
    total = sum(len(v) for v in verbs.values())
    print(f"check_docs_verbs: {len(wrong)} to fix" if wrong else
          f"check_docs_verbs: {total} verbs are in the guides, {count} commands in documents are right")
    return 1 if wrong or not total else 0


if __name__ == "__main__":
    sys.exit(main())
