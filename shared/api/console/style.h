// The look of the pages.
#pragma once

#include <string_view>

namespace dynflow::api::console {

extern const std::string_view kStyle;  // CSS

}  // namespace dynflow::api::console
