// Reading one policy file: every complaint carries file, line and column. Internal to the policy_*.cc files.
#pragma once
#include <string>
#include <vector>

#define TOML_EXCEPTIONS 0
#include "agent/policy.h"
#include "toml++/toml.h"

namespace plume::agent {

class PolicyReader {
 public:
  PolicyReader(const std::string& file, const MachineFacts& facts) : file_(file), facts_(facts) {}

  Error Complain(const toml::source_region& where, const std::string& why) const;

  // [files], [registry]: prefix = mode.
  Status Rules(const toml::node& node, bool registry, std::vector<PolicyRule>* out) const;
  // [objects], [devices], [windows]: pattern = mode. `modes`: the modes allowed there, for the complaint too.
  Status NameRules(const toml::node& node, std::initializer_list<view::Mode> modes,
                   std::vector<PolicyNameRule>* out) const;
  Status Processes(const toml::node& node, Policy* out) const;
  Status Clipboard(const toml::node& node, Policy* out) const;
  Status Network(const toml::node& node, Policy* out) const;

 private:
  std::string Origin(const toml::node& node) const {
    return file_ + ":" + std::to_string(node.source().begin.line);
  }
  Result<const toml::table*> Table(const toml::node& node, const char* example) const;
  Status Strings(const toml::node& node, std::vector<std::string>* out) const;
  Result<NetworkPlace> Place(const toml::node& node) const;

  const std::string& file_;
  const MachineFacts& facts_;
};

}  // namespace plume::agent
