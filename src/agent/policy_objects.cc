#include "agent/policy_objects.h"

#include "view/system_objects.h"

namespace plume::agent {

void AddSystemObjects(bool is_wine, std::vector<PolicyNameRule>* rules) {
  const view::Platform other = is_wine ? view::Platform::kWindows : view::Platform::kWine;
  for (const view::SystemObject& o : view::kSystemObjects) {
    if (o.platform == other) continue;
    rules->push_back({std::u16string(o.pattern), view::Mode::kHost, std::string("system: ") + o.why});
  }
}

}  // namespace plume::agent
