// What a start waited for, for people: a few lines, and a page with a timeline. Made of what the agent's verb
// vm.report says (docs/formats/control.md). Pure.
#pragma once
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace plume::cli {

std::vector<std::string> LaunchReportLines(const nlohmann::json& report);
// One HTML file that needs no other one.
std::string LaunchReportPage(const nlohmann::json& report, const std::string& title);

}  // namespace plume::cli
