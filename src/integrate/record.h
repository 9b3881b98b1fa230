// What integrating an application wrote on the client, so that unintegrating takes back exactly that. Pure;
// the format is in docs/formats/integration.md.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "integrate/plan.h"

namespace plume::integrate {

struct WrittenValue {
  Value value;
  std::optional<std::u16string> before;  // what it replaced; nothing if there was no such value
};

// Of a Linux desktop, as the launcher saw it.
struct LinuxDesktop {
  std::string data_home;  // "/home/ann/.local/share"
  std::string launcher;   // "/usr/bin/plume"
  std::string prefix;     // the Wine prefix
  bool operator==(const LinuxDesktop&) const = default;
};

struct Record {
  std::string application, digest;  // of the image it was read from
  std::vector<std::string> take;    // as asked for
  std::optional<LinuxDesktop> desktop;
  std::vector<WrittenValue> values;
  std::vector<std::u16string> keys;      // made for them, as in Value; parents first
  std::vector<std::u16string> files;     // DOS paths
  std::vector<std::u16string> folders;   // made for them; parents first
  std::vector<std::u16string> commands;  // names in the folder of commands
  std::vector<std::u16string> shortcuts;
  std::vector<std::u16string> types, protocols;
  std::vector<Conflict> conflicts;
};

// `gone` was taken back while `other` stays: what `other` replaced of it is replaced no more (the value
// before becomes the one before that), and what `gone` made and `other` needs is `other`'s to remove. False
// if nothing changed.
bool Inherit(const Record& gone, const std::function<bool(const std::u16string& key)>& key_exists,
             const std::function<bool(const std::u16string& folder)>& folder_exists, Record* other);

std::string ToJson(const Record& record);
// kCorrupt if malformed, kUnsupported if of a later version. Never throws.
Result<Record> ParseRecord(std::string_view json);

}  // namespace plume::integrate
