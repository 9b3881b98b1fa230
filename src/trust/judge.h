// Whether an image may be taken from a repository: pure, given what is signed, who is trusted and what was
// seen. docs/formats/trust.md
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "trust/rules.h"
#include "trust/signatures.h"

namespace plume::trust {

// The latest statement this machine accepted for a repository and a subscribed tag ("" = newest).
struct Seen {
  int64_t issued = 0, expires = 0;
  std::string digest;
};

struct Question {
  std::string repository, subscribed;  // as the user wrote them
  std::string tag, digest;             // what `subscribed` means there now
  std::string image_name;              // as the manifest says
  int64_t now = 0;                     // Unix seconds
  bool allow_unsigned = false, allow_older = false;
};

struct Verdict {
  std::string key;      // id of the key that vouches for it; empty: unsigned, and allowed
  std::string warning;  // what the user should know; empty = nothing
  Seen seen;            // to be remembered if the image is taken
};

// kDenied with the reason and the way on.
Result<Verdict> Judge(const Rules& rules, const std::vector<Signature>& signatures, const Question& question,
                      const Seen& seen);

// trust-seen.json of the state folder. Not thread-safe.
class Memory {
 public:
  static Result<Memory> Load(os::FileSystem& files, const os::Path& state);
  Status Save(os::FileSystem& files, const os::Path& state) const;
  static Result<Memory> Parse(std::string_view json, const std::string& what);
  std::string ToJson() const;

  Seen SeenOf(const std::string& repository, const std::string& subscribed) const;
  void Remember(const Question& question, const Verdict& verdict);
  // The key that vouched for an image; empty: none, nullptr: not known here.
  const std::string* KeyOf(const std::string& digest) const;

 private:
  std::map<std::pair<std::string, std::string>, Seen> seen_;
  std::map<std::string, std::string> images_;  // digest -> key id
};

}  // namespace plume::trust
