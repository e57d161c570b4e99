#include "migration/output.h"

#include <fmt/format.h>
#include <unistd.h>


#include "shared/json/json.h"

namespace dynflow::migration {

struct Output::State {
  Json document = Json::object();
  bool is_terminal = false;
  bool has_bar = false;
  int last_tenth = -1;
};

Output::Output(bool is_json, std::FILE* out, std::FILE* err)
    : is_json_(is_json), out_(out), err_(err), state_(std::make_unique<State>()) {
  state_->is_terminal = isatty(fileno(err)) == 1;
}

Output::~Output() { end_progress(); }

void Output::say(std::string_view line) {
  if (is_json_) return;
  end_progress();
  fmt::print(out_, "{}\n", line);
  std::fflush(out_);
}

void Output::warn(std::string_view line) {
  end_progress();
  fmt::print(err_, "dynflow-migrate: {}\n", line);
  if (is_json_) state_->document["warnings"].push_back(std::string(line));
}

Json& Output::document() { return state_->document; }

void Output::progress(std::size_t done, std::size_t total, std::string_view text) {
  if (is_json_) return;
  constexpr std::size_t kWidth = 30;
  const std::size_t filled = total == 0 ? kWidth : kWidth * done / total;
  if (state_->is_terminal) {
    fmt::print(err_, "\r[{:#<{}}{:.<{}}] {}/{} {}\x1b[K", "", filled, "", kWidth - filled, done, total, text);
    std::fflush(err_);
    state_->has_bar = true;
    return;
  }
  const int tenth = total == 0 ? 10 : static_cast<int>(10 * done / total);
  if (tenth == state_->last_tenth) return;
  state_->last_tenth = tenth;
  fmt::print(out_, "{}/{} {}\n", done, total, text);
  std::fflush(out_);
}

void Output::end_progress() {
  if (!state_->has_bar) return;
  state_->has_bar = false;
  fmt::print(err_, "\n");
}

void Output::finish(ExitCode code) {
  end_progress();
  if (!is_json_) return;
  state_->document["exit_code"] = static_cast<int>(code);
  fmt::print(out_, "{}\n", json::dump(state_->document));
  std::fflush(out_);
}

}  // namespace dynflow::migration
