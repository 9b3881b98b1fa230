// Windows command lines: from a list of arguments to the one string a program gets, so that it reads the same
// list, and back. Pure. Source: the rules of CommandLineToArgvW and of the Microsoft C runtime ("Parsing C
// command-line arguments").
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace plume::agent {

// One argument; quoted only where needed.
std::u16string QuoteArgument(std::u16string_view argument);
// `program` is always quoted: argument 0 has rules of its own (a backslash never escapes there).
std::u16string CommandLine(std::u16string_view program, const std::vector<std::u16string>& arguments);
// cmd.exe does not know those rules: what follows /c or /k is taken as it is, without its outer quotes.
std::u16string ShellCommandLine(std::u16string_view shell, const std::vector<std::u16string>& arguments);
// cmd.exe running a script.
std::u16string ScriptCommandLine(std::u16string_view shell, std::u16string_view script,
                                 const std::vector<std::u16string>& arguments);

// What CommandLineToArgvW returns, without the DLLs it would bring along: the program's name, then its
// arguments.
std::vector<std::u16string> SplitCommandLine(std::u16string_view line);

}  // namespace plume::agent
