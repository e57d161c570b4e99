#include "shared/api/console/action_view.h"

#include <deque>
#include <utility>

#include "shared/api/console/readable.h"
#include "shared/engine/presentation.h"
#include "shared/json/masked.h"

namespace dynflow::api::console {
namespace {

using persistence::OutputChunk;

constexpr std::size_t kChunksAtOnce = 1000;

// The last chunks that come to at most a number of bytes.
class Tail {
 public:
  explicit Tail(std::size_t limit) : limit_(limit) {}
  void add(OutputChunk chunk) {
    size_ += chunk.output.size();
    chunks_.push_back(std::move(chunk));
    for (; size_ > limit_ && chunks_.size() > 1; is_cut_ = true) {
      size_ -= chunks_.front().output.size();
      chunks_.pop_front();
    }
  }
  void give_to(ActionView& view) && {
    view.chunks.assign(std::make_move_iterator(chunks_.begin()), std::make_move_iterator(chunks_.end()));
    view.is_cut = is_cut_;
  }

 private:
  const std::size_t limit_;
  std::size_t size_ = 0;
  std::deque<OutputChunk> chunks_;
  bool is_cut_ = false;
};

bool is_chunk(const Json& item) {
  const Json* text = json::find(item, "output");
  return text != nullptr && text->is_string() && json::find(item, "output_type") != nullptr;
}

// Chunks that are part of the output already: of an action that has ended.
void take_chunks(const Json& result, Tail& tail) {
  for (const Json& item : result) {
    OutputChunk chunk;
    chunk.output_type = json::get_string(item, "output_type");
    chunk.output = json::get_string(item, "output");
    const Json* time = json::find(item, "timestamp");
    if (time != nullptr && time->is_number()) chunk.timestamp = from_unix_seconds(time->get<double>());
    tail.add(std::move(chunk));
  }
}

Status load_chunks(persistence::Store& store, const std::string& plan_id, int action_id, Tail& tail) {
  std::int64_t last = 0;
  while (true) {
    auto chunks = store.load_chunks(plan_id, action_id, last, kChunksAtOnce);
    if (!chunks.ok()) return chunks.error();
    const bool is_end = chunks->size() < kChunksAtOnce;
    for (OutputChunk& chunk : *chunks) {
      last = chunk.sequence;
      tail.add(std::move(chunk));
    }
    if (is_end) return {};
  }
}

Html part(std::string_view heading, const std::string& text) {
  return text.empty() ? Html() : Html("<div class=\"dim\">{}</div><pre>{}</pre>\n", heading, text);
}

}  // namespace

Result<ActionView> view_action(engine::World& world, const persistence::PlanRecord& plan, const persistence::ActionRecord& action,
                               std::size_t most_output) {
  engine::Presented presented = engine::present(world, plan, action);
  ActionView view{std::move(presented.input), std::move(presented.output), {}, false};
  Tail tail(most_output);
  const Json* result = json::find(view.output, "result");
  if (result != nullptr && result->is_array() && std::all_of(result->begin(), result->end(), is_chunk)) {
    if (result->empty()) {
      if (Status loaded = load_chunks(world.store(), plan.id, action.id, tail); !loaded.ok()) return loaded.error();
    } else {
      take_chunks(*result, tail);
    }
    view.output.erase("result");
    std::move(tail).give_to(view);
  }
  json::mask_secrets(view.input);
  json::mask_secrets(view.output);
  return view;
}

Html html_of(const ActionView& view, std::size_t most_text) {
  Html html;
  html.add(part("Input", readable(view.input, most_text)));
  html.add(part("Output", readable(view.output, most_text)));
  if (view.chunks.empty()) return html;
  html.add("<div class=\"dim\">Output of the job{}</div><pre>", view.is_cut ? ", its end" : "");
  for (const OutputChunk& chunk : view.chunks) html.add("<span class=\"{}\">{}</span>", chunk.output_type, chunk.output);
  html.add("</pre>\n");
  return html;
}

Json document_of(ActionView view) {
  if (!view.chunks.empty()) {
    Json result = Json::array();
    for (const OutputChunk& chunk : view.chunks) {
      result.push_back({{"output_type", chunk.output_type}, {"output", chunk.output}, {"timestamp", to_unix_seconds(chunk.timestamp)}});
    }
    view.output["result"] = std::move(result);
  }
  return Json{{"input", std::move(view.input)}, {"output", std::move(view.output)}, {"is_cut", view.is_cut}};
}

Html html_of(const persistence::StepError& error) {
  std::string trace;
  for (const std::string& line : error.backtrace) trace += line + '\n';
  Html html("<div class=\"error\">{}: {}</div>\n", error.exception_class, error.message);
  html.add(part("Backtrace", trace));
  return html;
}

}  // namespace dynflow::api::console
