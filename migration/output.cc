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
  bool was_cut = false;  // the output has gaps
};

Output::Output(bool is_json, std::FILE* out, std::FILE* err)
    : is_json_(is_json), out_(out), err_(err), state_(std::make_unique<State>()) {
  state_->is_terminal = isatty(fileno(err)) == 1;
}

Output::~Output() { end_progress(); }

void Output::write(std::FILE* stream, std::string_view text) {
  const bool is_written = std::fwrite(text.data(), 1, text.size(), stream) == text.size() && std::fflush(stream) == 0;
  if (!is_written && stream == out_) state_->was_cut = true;
}

void Output::say(std::string_view line) {
  if (is_json_) return;
  end_progress();
  write(out_, fmt::format("{}\n", line));
}

void Output::warn(std::string_view line) {
  end_progress();
  write(err_, fmt::format("dynflow-migrate: {}\n", line));
  if (is_json_) state_->document["warnings"].push_back(std::string(line));
}

Json& Output::document() { return state_->document; }

void Output::progress(std::size_t done, std::size_t total, std::string_view text) {
  if (is_json_) return;
  constexpr std::size_t kWidth = 30;
  const std::size_t filled = total == 0 ? kWidth : kWidth * done / total;
  if (state_->is_terminal) {
    write(err_, fmt::format("\r[{:#<{}}{:.<{}}] {}/{} {}\x1b[K", "", filled, "", kWidth - filled, done, total, text));
    state_->has_bar = true;
    return;
  }
  const int tenth = total == 0 ? 10 : static_cast<int>(10 * done / total);
  if (tenth == state_->last_tenth) return;
  state_->last_tenth = tenth;
  write(out_, fmt::format("{}/{} {}\n", done, total, text));
}

void Output::end_progress() {
  if (!state_->has_bar) return;
  state_->has_bar = false;
  write(err_, "\n");
}

ExitCode Output::finish(ExitCode code) {
  end_progress();
  if (is_json_) {
    state_->document["exit_code"] = static_cast<int>(code);
    write(out_, fmt::format("{}\n", json::dump(state_->document)));
  }
  if (!state_->was_cut) return code;
  warn("a part of what was to be said could not be written");
  return ExitCode::kError;
}

}  // namespace dynflow::migration
