#include "shared/executors/remote_execution/effective_user.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "shared/executors/remote_execution/remote_shell.h"

namespace dynflow::remote_execution {
namespace {

constexpr std::string_view kSudoPrompt = "rex login: ";
constexpr std::string_view kMask = "*****";
// A prompt stands in the first line; programs greet with less.
constexpr std::size_t kMaxHeld = 4096;

std::size_t find_ignoring_case(std::string_view text, std::string_view wanted) {
  const auto found = std::search(text.begin(), text.end(), wanted.begin(), wanted.end(), [](char a, char b) {
    return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
  });
  return found == text.end() ? std::string_view::npos : static_cast<std::size_t>(found - text.begin());
}

}  // namespace

std::string_view EffectiveUser::program() const {
  switch (method) {
    case UserMethod::kNone: return "";
    case UserMethod::kSudo: return "sudo";
    case UserMethod::kDzdo: return "dzdo";
    case UserMethod::kSu: return "su";
  }
  return "";
}

std::string EffectiveUser::run_command(std::string_view path) const {
  const std::string command = shell_quote(path);
  switch (method) {
    case UserMethod::kNone: return fmt::format("{} < /dev/null", command);
    case UserMethod::kSudo:
      return fmt::format("sudo -p '{}' -u {} {} < /dev/null", kSudoPrompt, shell_quote(name), command);
    case UserMethod::kDzdo: return fmt::format("dzdo -u {} {} < /dev/null", shell_quote(name), command);
    case UserMethod::kSu:
      // su itself needs the terminal as its input, to ask for the password.
      return fmt::format("su - {} -c {}", shell_quote(name), shell_quote(fmt::format("exec {} < /dev/null", command)));
  }
  return command;
}

std::string EffectiveUser::kill_command() const {
  switch (method) {
    case UserMethod::kSudo: return fmt::format("sudo -S -p '' -u {} ", shell_quote(name));
    case UserMethod::kDzdo: return fmt::format("dzdo -S -p '' -u {} ", shell_quote(name));
    case UserMethod::kNone:
    // su may be signalled by who started it, and ends its child.
    case UserMethod::kSu: return {};
  }
  return {};
}

Result<UserMethod> user_method(std::string_view effective_user, std::string_view ssh_user, std::string_view method) {
  if (effective_user.empty() || effective_user == ssh_user) return UserMethod::kNone;
  if (method == "sudo") return UserMethod::kSudo;
  if (method == "dzdo") return UserMethod::kDzdo;
  if (method == "su") return UserMethod::kSu;
  return Error(Code::kInvalid, fmt::format("effective_user_method '{}' not supported", method));
}

std::string Masker::feed(std::string_view bytes) {
  if (secret_.empty()) return std::string(bytes);
  const std::string_view secret = secret_.reveal();
  held_ += bytes;
  std::string out;
  std::size_t from = 0;
  for (std::size_t found = held_.find(secret); found != std::string::npos; found = held_.find(secret, from)) {
    out.append(held_, from, found - from);
    out += kMask;
    from = found + secret.size();
  }
  // The longest end of the text that begins the secret stays here.
  std::size_t keep = std::min(secret.size() - 1, held_.size() - from);
  while (keep > 0 && std::string_view(held_).substr(held_.size() - keep) != secret.substr(0, keep)) --keep;
  out.append(held_, from, held_.size() - from - keep);
  held_.erase(0, held_.size() - keep);
  return out;
}

std::string Masker::finish() { return std::exchange(held_, {}); }

std::size_t PromptFilter::prompt_end(std::string_view text) const {
  const auto behind = [&](std::string_view wanted, std::size_t found) {
    return found == std::string_view::npos ? found : found + wanted.size();
  };
  switch (user_.method) {
    case UserMethod::kNone: return std::string_view::npos;
    case UserMethod::kSudo: return behind(kSudoPrompt, text.find(kSudoPrompt));
    case UserMethod::kSu: return behind("password: ", find_ignoring_case(text, "password: "));
    case UserMethod::kDzdo: {
      // "Password: ", "[dzdo] password for bob: ": ends with the line so far.
      const std::size_t found = find_ignoring_case(text, "password");
      if (found == std::string_view::npos) return found;
      const std::size_t colon = text.find(": ", found);
      return colon == std::string_view::npos ? colon : colon + 2;
    }
  }
  return std::string_view::npos;
}

// sudo's prompt is ours and comes first; the others may stand anywhere in the first line.
bool PromptFilter::may_become_prompt() const {
  if (user_.method == UserMethod::kSudo) return kSudoPrompt.starts_with(held_);
  return held_.find('\n') == std::string::npos && held_.size() < kMaxHeld;
}

PromptFilter::Step PromptFilter::feed(std::string_view bytes) {
  Step step;
  if (!is_open_ && !skips_newline_) {
    step.output = masker_.feed(bytes);
    return step;
  }
  held_ += bytes;
  if (skips_newline_ && !held_.empty()) {
    // The line end that the program prints for the one that was not echoed.
    if (held_ == "\r") return step;
    if (held_.starts_with("\r\n")) {
      held_.erase(0, 2);
    } else if (held_.starts_with('\n')) {
      held_.erase(0, 1);
    }
    skips_newline_ = false;
  }
  if (is_open_) {
    const std::size_t end = prompt_end(held_);
    if (end != std::string_view::npos) {
      has_asked_ = true;
      held_.erase(0, end);
      if (user_.password.empty() || is_answered_) {
        step.is_refused = true;
        is_open_ = false;
        return step;
      }
      is_answered_ = true;
      skips_newline_ = true;
      step.wants_password = true;
      // The trial has no output but the program's own; the run may print what looks like a prompt.
      if (!is_trial_) is_open_ = false;
      return step;
    }
    if (is_trial_) {
      // A prompt has no line end: whole lines are the program's words.
      const std::size_t line = held_.rfind('\n');
      if (line != std::string::npos) {
        step.output = held_.substr(0, line + 1);
        held_.erase(0, line + 1);
      }
      if (held_.size() < kMaxHeld) return step;
    } else if (may_become_prompt()) {
      return step;
    }
    if (!is_trial_) is_open_ = false;
  }
  step.output += masker_.feed(held_);
  held_.clear();
  return step;
}

void PromptFilter::end_trial() {
  is_trial_ = false;
  is_answered_ = false;
  skips_newline_ = false;
  // Who asked nothing in the trial asks nothing now: what looks like a prompt is the script's output.
  is_open_ = has_asked_;
}

std::string PromptFilter::finish() {
  std::string out = masker_.feed(std::exchange(held_, {}));
  out += masker_.finish();
  return out;
}

}  // namespace dynflow::remote_execution
