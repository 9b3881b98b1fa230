// `plume vm explain` for window classes and the clipboard. Pure.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "agent/control.h"
#include "wire/view_generated.h"

namespace plume::agent {

// "Window\CLASS" or "Clipboard", in any case of letters.
bool IsWindowText(std::u16string_view text);

// Nothing for any other text.
std::optional<Json> ExplainWindow(const wire::View& view, const std::string& text);

}  // namespace plume::agent
