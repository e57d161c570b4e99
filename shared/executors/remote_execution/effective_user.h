// Running the script as another user than the one we log in as: command lines for sudo, dzdo and su, and the filter that
// answers their password prompts and keeps prompts and password out of the job's output.
//
// Threads: values and objects of one thread.
//
// Source of behaviour: theforeman/smart_proxy_remote_execution_ssh v1.0.1, runners/script_runner.rb:7-91.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.h"
#include "shared/base/secret.h"

namespace dynflow::remote_execution {

enum class UserMethod { kNone, kSudo, kDzdo, kSu };

struct EffectiveUser {
  UserMethod method = UserMethod::kNone;
  std::string name;
  Secret password;

  bool is_changed() const { return method != UserMethod::kNone; }
  std::string_view program() const;  // "sudo", "dzdo", "su"; "" for none
  // Runs `path` (unquoted) with an empty standard input.
  std::string run_command(std::string_view path) const;
  // Prefix for a `kill` as somebody who may end the script, the password on standard input; empty when there is none such.
  std::string kill_command() const;
};

// kNone when there is nobody to change to. kInvalid: "effective_user_method 'x' not supported".
Result<UserMethod> user_method(std::string_view effective_user, std::string_view ssh_user, std::string_view method);

// Replaces a password in a stream, wherever the stream is cut. What could be its beginning is kept back until more comes.
class Masker {
 public:
  explicit Masker(Secret secret) : secret_(std::move(secret)) {}
  std::string feed(std::string_view bytes);
  // What was kept back.
  std::string finish();

 private:
  Secret secret_;
  std::string held_;
};

// Watches the terminal output of a change of user. Two passes: the trial run, ended by end_trial(), and the run itself.
class PromptFilter {
 public:
  explicit PromptFilter(const EffectiveUser& user) : user_(user), masker_(user.password) {}

  struct Step {
    std::string output;          // for the job (of the trial: what the program said)
    bool wants_password = false; // send the password and a newline now
    bool is_refused = false;     // asked although there is no password, or asked again: it will never work
  };
  Step feed(std::string_view bytes);
  void end_trial();
  // What was kept back, at the end of the output.
  std::string finish();
  // True when the program asked for a password at all.
  bool has_asked() const { return has_asked_; }

 private:
  std::size_t prompt_end(std::string_view text) const;
  bool may_become_prompt() const;

  const EffectiveUser& user_;
  Masker masker_;
  std::string held_;            // bytes that may become a prompt
  bool is_trial_ = true;
  bool has_asked_ = false;
  bool is_answered_ = false;    // in this pass
  bool is_open_ = true;         // prompts are still looked for in this pass
  bool skips_newline_ = false;  // right after an answer
};

}  // namespace dynflow::remote_execution
