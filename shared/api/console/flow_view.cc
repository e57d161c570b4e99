#include "shared/api/console/flow_view.h"

namespace dynflow::api::console {
namespace {

class Writer {
 public:
  Writer(FlowWindow window, const std::function<Html(int)>& show_step) : window_(window), show_step_(show_step) {}

  Html write(const engine::Flow& flow) {
    if (flow.kind() == engine::Flow::Kind::kStep) {
      const std::size_t place = place_++;
      const bool is_shown = place >= window_.first && place - window_.first < window_.count;
      return is_shown ? show_step_(flow.step_id()) : Html();
    }
    Html inside;
    for (const engine::Flow& part : flow.parts()) inside.add(write(part));
    if (inside.empty() || flow.parts().size() == 1) return inside;
    const std::string_view kind = flow.kind() == engine::Flow::Kind::kSequence ? "sequence" : "concurrence";
    return Html("<div class=\"{}\" title=\"{}\">{}</div>\n", kind, kind, inside);
  }

 private:
  const FlowWindow window_;
  const std::function<Html(int)>& show_step_;
  std::size_t place_ = 0;
};

}  // namespace

Html html_of(const engine::Flow& flow, FlowWindow window, const std::function<Html(int step_id)>& show_step) {
  return Writer(window, show_step).write(flow);
}

}  // namespace dynflow::api::console
