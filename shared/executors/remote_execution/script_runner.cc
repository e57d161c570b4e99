#include "shared/executors/remote_execution/script_runner.h"

#include <fmt/core.h>

#include <array>
#include <csignal>
#include <optional>
#include <utility>

#include "shared/executors/remote_execution/script_states.h"
#include "shared/log/log.h"

namespace dynflow::remote_execution {
namespace {

using runner::ExitStatus;

constexpr std::size_t kMostErrorText = 4096;
constexpr std::size_t kMostReportText = 256 * 1024;
constexpr std::size_t kTail = 1024;
constexpr Duration kCleaningTime = std::chrono::seconds(15);
// How long the wrapper may take to hand on the status when all it waits for is gone.
constexpr Duration kEndTime = std::chrono::seconds(3);
// On top of the grace: the time the stopping command needs for itself.
constexpr Duration kStopTime = std::chrono::seconds(25);
constexpr int kLostStatus = 255;

void append_bounded(std::string& text, std::string_view more, std::size_t limit) {
  if (text.size() < limit) text += more.substr(0, limit - text.size());
}

std::string with_detail(std::string text, std::string_view detail) {
  while (!detail.empty() && (detail.back() == '\n' || detail.back() == '\r')) detail.remove_suffix(1);
  if (!detail.empty()) text += fmt::format("\n{}", detail);
  return text;
}

// A script that announces that it takes the host down.
bool announces_power_action(std::string_view tail) {
  for (const std::string_view word : {"restart host", "shutdown host"}) {
    for (std::size_t at = tail.find(word); at != std::string_view::npos; at = tail.find(word, at + 1)) {
      if (at == 0 || tail[at - 1] == '\n') return true;
    }
  }
  return false;
}

class ScriptRunner final : public runner::Runner {
 public:
  ScriptRunner(runner::Publisher& publisher, net::EventLoop& loop, ConnectionServices services, ScriptJob job)
      : Runner(publisher), loop_(loop), job_(std::move(job)), filter_(job_.user) {
    job_.connection.task_id = publisher.task_id();
    Connection::Callbacks callbacks;
    callbacks.connected = [this] { on(ScriptEvent::kConnected); };
    callbacks.failed = [this](std::string text) { refuse(text); };
    callbacks.lost = [this](const std::string& why) { lost(why); };
    connection_.emplace(loop_, services, std::move(job_.connection), std::move(callbacks));
  }
  ~ScriptRunner() override { loop_.cancel(timer_); }

  void start() override { on(ScriptEvent::kStart); }
  void hold_output(bool is_held) override {
    connection_->hold(is_held && !is_killed_);
  }
  void kill() override {
    // The way to the host is needed for the end.
    is_killed_ = true;
    connection_->hold(false);
    if (state_ == ScriptState::kIdle || state_ == ScriptState::kConnecting || state_ == ScriptState::kUploading ||
        state_ == ScriptState::kTrial) {
      publisher().publish("debug", "The job was stopped before the script was started\n");
      result_ = ExitStatus::exception();
    }
    on(ScriptEvent::kKill);
  }

 private:
  void on(ScriptEvent event);
  void enter(ScriptState state);
  void upload();
  void uploaded(const ChannelEnd& end);
  void run();
  void ran(const ChannelEnd& end);
  void take_output(std::string_view bytes);
  void take_trial(std::string_view bytes);
  void filter_output(std::string_view bytes);
  void publish_output(std::string_view bytes);
  void stop();
  void stopped(const ChannelEnd& end);
  void clean();
  void lost(const std::string& why);
  void finish();
  // "Error initializing command: RuntimeError - ...", EXCEPTION.
  void say_refused(std::string_view text);
  void refuse(std::string_view text) {
    say_refused(text);
    on(ScriptEvent::kRefused);
  }
  std::string refusal(const Report& report, const ChannelEnd& end) const;
  void arm(Duration span, void (ScriptRunner::*task)());
  void give_up_waiting();
  void cleaned() { on(ScriptEvent::kCleaned); }

  net::EventLoop& loop_;
  ScriptJob job_;
  PromptFilter filter_;
  std::optional<Connection> connection_;  // set from the constructor on
  bool is_killed_ = false;                // kill() was called
  ScriptState state_ = ScriptState::kIdle;
  std::optional<ExitStatus> result_;  // once known
  net::EventLoop::TimerId timer_ = 0;

  Connection::ChannelId run_channel_ = 0;   // 0: none, or ended
  Connection::ChannelId side_channel_ = 0;  // upload, stop or clean-up
  std::string report_;                      // standard output of the side channel, or of the trial
  std::string error_text_;                  // standard error of the side channel, or what the trial said
  std::string tail_;                        // the end of the script's output
  bool is_stop_over_ = false;               // the stopping command ended
};

void ScriptRunner::arm(Duration span, void (ScriptRunner::*task)()) {
  loop_.cancel(timer_);
  timer_ = loop_.run_after(span, [this, task] {
    timer_ = 0;
    (this->*task)();
  });
}

void ScriptRunner::on(ScriptEvent event) {
  const auto next = next_state(state_, event);
  if (!next) return;
  state_ = *next;
  enter(state_);
}

void ScriptRunner::enter(ScriptState state) {
  switch (state) {
    case ScriptState::kIdle: break;
    case ScriptState::kConnecting: connection_->open(); break;
    case ScriptState::kUploading: upload(); break;
    case ScriptState::kTrial: run(); break;
    case ScriptState::kRunning:
      if (run_channel_ == 0) run();
      break;
    case ScriptState::kStopping: stop(); break;
    case ScriptState::kCleaning: clean(); break;
    case ScriptState::kDone: finish(); break;
  }
}

void ScriptRunner::upload() {
  WrapperOptions wrapper;
  wrapper.run_command = job_.user.run_command(job_.directory.file("script"));
  wrapper.changes_user = job_.user.is_changed();
  wrapper.removes_directory = job_.removes_directory;
  UploadOptions options;
  options.script_bytes = job_.script.size();
  options.wrapper = wrapper_text(job_.directory, wrapper);
  // root reads everything; ACLs are for the others.
  if (job_.user.is_changed() && job_.user.name != "root") options.reader = job_.user.name;
  options.stages_script = job_.user.is_changed();
  options.acl = job_.acl;

  ChannelRequest request;
  request.command = shell_on_stdin_command();
  request.input = shell_on_stdin(upload_text(job_.directory, options));
  request.input += std::exchange(job_.script, {});
  request.output = [this](std::string_view bytes, bool is_stderr) {
    if (is_stderr) {
      append_bounded(error_text_, bytes, kMostErrorText);
    } else {
      append_bounded(report_, bytes, kMostReportText);
    }
  };
  request.ended = [this](const ChannelEnd& end) { uploaded(end); };
  side_channel_ = connection_->start_channel(std::move(request));
}

void ScriptRunner::uploaded(const ChannelEnd& end) {
  side_channel_ = 0;
  if (end.is_lost) return;  // lost() follows
  std::optional<Report> last;
  while (auto report = take_report(report_, job_.directory.marker())) {
    if (report->stage == "open") {
      publisher().publish("debug", fmt::format("Could not give {} access with setfacl, the script is readable for everybody\n",
                                               job_.user.name));
    } else {
      last = std::move(report);
    }
  }
  if (last && last->stage == "ready") {
    error_text_.clear();
    report_.clear();
    on(job_.user.is_changed() ? ScriptEvent::kUploadedForUser : ScriptEvent::kUploaded);
    return;
  }
  const std::string text = refusal(last.value_or(Report{}), end);
  refuse(with_detail(text, error_text_));
}

std::string ScriptRunner::refusal(const Report& report, const ChannelEnd& end) const {
  if (report.stage == "upload") {
    return fmt::format("Unable to upload file to {} on remote system, exit code: {}", job_.directory.file("script"),
                       report.detail);
  }
  if (report.stage == "acl") {
    return fmt::format("Failed to run command setfacl -m u:{}:rx {} on remote machine, exit code: {}", job_.user.name,
                       job_.directory.file("script"), report.detail);
  }
  if (report.stage == "exec") {
    return fmt::format("Failed to execute script on remote machine, exit code: {}.", report.detail);
  }
  if (report.stage.empty() && !end.error.empty()) return end.error;
  const std::string code = report.stage.empty() ? std::to_string(end.exit_status.value_or(kLostStatus)) : report.detail;
  return fmt::format("Unable to create directory {} on remote system, exit code: {}", job_.directory.path(), code);
}

void ScriptRunner::run() {
  ChannelRequest request;
  request.command = fmt::format("exec {}", shell_quote(job_.directory.file("script-wrapper")));
  request.wants_terminal = true;
  request.closes_input = false;
  request.output = [this](std::string_view bytes, bool /*is_stderr*/) { take_output(bytes); };
  request.ended = [this](const ChannelEnd& end) { ran(end); };
  run_channel_ = connection_->start_channel(std::move(request));
}

void ScriptRunner::take_output(std::string_view bytes) {
  if (state_ == ScriptState::kTrial) {
    take_trial(bytes);
  } else if (state_ == ScriptState::kRunning || state_ == ScriptState::kStopping) {
    filter_output(bytes);
  }
}

// Until the report line everything is the words of sudo or su. A prompt has to be seen at once although its line has no end.
void ScriptRunner::take_trial(std::string_view bytes) {
  append_bounded(report_, bytes, kMostReportText);
  const std::string marker = job_.directory.marker();
  const std::size_t at = report_.find(marker + " user ");
  const std::size_t end = at == std::string::npos ? at : report_.find('\n', at);
  if (end == std::string::npos) {
    // A last line that may become the report waits for its end.
    const std::size_t line = report_.rfind('\n') + 1;
    const std::string_view last = std::string_view(report_).substr(line);
    const bool may_be_report = !last.empty() && (marker.starts_with(last) || last.starts_with(marker));
    const std::string words = report_.substr(0, may_be_report ? line : report_.size());
    report_.erase(0, words.size());
    filter_output(words);
    return;
  }
  std::string rest = report_.substr(at);
  filter_output(std::string_view(report_).substr(0, at));
  if (state_ != ScriptState::kTrial) return;
  report_.clear();
  const auto report = take_report(rest, marker);
  append_bounded(error_text_, filter_.finish(), kMostErrorText);
  filter_.end_trial();
  if (!report || report->detail != "0") {
    say_refused(with_detail(
        fmt::format("Failed to change to effective user, exit code: {}", report ? report->detail : std::string("1")),
        error_text_));
    on(ScriptEvent::kUserRefused);
    return;
  }
  on(ScriptEvent::kUserChanged);
  if (!rest.empty()) filter_output(rest);
}

void ScriptRunner::filter_output(std::string_view bytes) {
  if (!job_.user.is_changed()) {
    publish_output(bytes);
    return;
  }
  const PromptFilter::Step step = filter_.feed(bytes);
  if (state_ == ScriptState::kTrial) {
    append_bounded(error_text_, step.output, kMostErrorText);
  } else {
    publish_output(step.output);
  }
  if (step.wants_password) connection_->write(run_channel_, fmt::format("{}\n", job_.user.password.reveal()));
  if (!step.is_refused) return;
  if (state_ != ScriptState::kTrial) {
    // Only the trial's password can be wrong; asked twice in the run, the answer is the hang-up below.
    publisher().publish("debug", fmt::format("{} asked for a password again\n", job_.user.program()));
    connection_->drop_channel(std::exchange(run_channel_, 0));
    result_ = ExitStatus::exception();
    on(ScriptEvent::kEndedDirty);
    return;
  }
  const std::string why = job_.user.password.empty()
                              ? fmt::format("{} asks for a password and none was given", job_.user.program())
                              : fmt::format("{} did not take the password", job_.user.program());
  say_refused(with_detail(fmt::format("Failed to change to effective user, exit code: 1\n{}", why), error_text_));
  on(ScriptEvent::kUserRefused);
}

void ScriptRunner::publish_output(std::string_view bytes) {
  if (bytes.empty()) return;
  tail_ += bytes.substr(bytes.size() > kTail ? bytes.size() - kTail : 0);
  if (tail_.size() > 4 * kTail) tail_.erase(0, tail_.size() - kTail);
  publisher().publish("stdout", bytes);
}

void ScriptRunner::ran(const ChannelEnd& end) {
  run_channel_ = 0;
  if (end.is_lost) return;  // lost() follows
  publish_output(filter_.finish());
  if (state_ == ScriptState::kTrial) {
    say_refused(with_detail(fmt::format("Failed to change to effective user, exit code: {}",
                                        end.exit_status.value_or(kLostStatus)),
                            error_text_ + end.error));
    on(ScriptEvent::kEndedDirty);
    return;
  }
  const bool has_cleaned = end.exit_status.has_value();
  if (end.exit_status) {
    result_ = ExitStatus::code(*end.exit_status);
  } else if (!end.signal.empty()) {
    const int number = signal_number(end.signal);
    result_ = number != 0 ? ExitStatus::signalled(number) : ExitStatus::code(kLostStatus);
  } else {
    publisher().publish("debug", with_detail("The host closed the session without an exit status", end.error) + "\n");
    result_ = ExitStatus::code(kLostStatus);
  }
  const bool is_taken_down = end.exit_status == 128 + SIGTERM || end.exit_status == 128 + SIGHUP || !end.signal.empty();
  if (state_ == ScriptState::kRunning && is_taken_down && announces_power_action(tail_)) result_ = ExitStatus::code(0);
  if (state_ == ScriptState::kStopping && !is_stop_over_) {
    // The stopping command still looks for what the script left behind.
    return;
  }
  on(has_cleaned ? ScriptEvent::kEnded : ScriptEvent::kEndedDirty);
}

void ScriptRunner::stop() {
  report_.clear();
  StopOptions options;
  options.grace = job_.kill_grace;
  options.kill_command = job_.user.kill_command();
  options.password = job_.user.password;
  ChannelRequest request;
  request.command = shell_on_stdin_command();
  request.input = shell_on_stdin(stop_text(job_.directory, options));
  request.output = [this](std::string_view bytes, bool is_stderr) {
    if (!is_stderr) append_bounded(report_, bytes, kMostReportText);
  };
  request.ended = [this](const ChannelEnd& end) { stopped(end); };
  side_channel_ = connection_->start_channel(std::move(request));
  arm(job_.kill_grace + kStopTime, &ScriptRunner::give_up_waiting);
}

void ScriptRunner::stopped(const ChannelEnd& end) {
  side_channel_ = 0;
  if (end.is_lost) return;
  is_stop_over_ = true;
  const auto report = take_report(report_, job_.directory.marker());
  if (!report) {
    publisher().publish("debug", "The processes of the job could not be stopped one by one, hanging up\n");
  } else if (report->stage == "left") {
    publisher().publish("debug", fmt::format("Processes of the job are still there: {}\n", report->detail));
  }
  if (run_channel_ == 0) {
    on(ScriptEvent::kEndedDirty);
  } else if (report && report->stage == "stopped") {
    arm(kEndTime, &ScriptRunner::give_up_waiting);
  } else {
    give_up_waiting();
  }
}

void ScriptRunner::give_up_waiting() {
  is_stop_over_ = true;
  if (run_channel_ != 0) {
    // The terminal is hung up: what did not listen to anything else gets that.
    connection_->drop_channel(std::exchange(run_channel_, 0));
    publish_output(filter_.finish());
  }
  if (!result_) result_ = ExitStatus::signalled(SIGKILL);
  on(ScriptEvent::kEndedDirty);
}

void ScriptRunner::clean() {
  if (side_channel_ != 0) connection_->drop_channel(std::exchange(side_channel_, 0));
  if (run_channel_ != 0) connection_->drop_channel(std::exchange(run_channel_, 0));
  if (!job_.removes_directory) {
    on(ScriptEvent::kCleaned);
    return;
  }
  ChannelRequest request;
  request.command = shell_on_stdin_command();
  request.input = shell_on_stdin(remove_text(job_.directory));
  request.ended = [this](const ChannelEnd& end) {
    side_channel_ = 0;
    if (!end.is_lost) on(ScriptEvent::kCleaned);
  };
  side_channel_ = connection_->start_channel(std::move(request));
  arm(kCleaningTime, &ScriptRunner::cleaned);
}

void ScriptRunner::lost(const std::string& why) {
  log::info({.task_id = publisher().task_id()}, "connection to the host lost: {}", why);
  if (state_ == ScriptState::kUploading || state_ == ScriptState::kTrial) {
    say_refused(fmt::format("Connection to the host was lost: {}", why));
  } else if (!result_) {
    publish_output(filter_.finish());
    if (announces_power_action(tail_)) {
      result_ = ExitStatus::code(0);
    } else {
      publisher().publish("debug", fmt::format("Connection to the host was lost: {}\n", why));
      result_ = ExitStatus::code(kLostStatus);
    }
  }
  on(ScriptEvent::kLost);
}

void ScriptRunner::say_refused(std::string_view text) {
  publisher().publish("debug", fmt::format("Error initializing command: RuntimeError - {}", text));
  result_ = ExitStatus::exception();
}

void ScriptRunner::finish() {
  loop_.cancel(std::exchange(timer_, 0));
  connection_->close();
  publisher().finish(result_.value_or(ExitStatus::exception()));
}

}  // namespace

std::unique_ptr<runner::Runner> make_script_runner(runner::Publisher& publisher, net::EventLoop& loop,
                                                   ConnectionServices services, ScriptJob job) {
  return std::make_unique<ScriptRunner>(publisher, loop, services, std::move(job));
}

int signal_number(std::string_view name) {
  struct Known {
    std::string_view name;
    int number;
  };
  static constexpr std::array kKnown = {
      Known{"ABRT", SIGABRT}, Known{"ALRM", SIGALRM}, Known{"FPE", SIGFPE},   Known{"HUP", SIGHUP},
      Known{"ILL", SIGILL},   Known{"INT", SIGINT},   Known{"KILL", SIGKILL}, Known{"PIPE", SIGPIPE},
      Known{"QUIT", SIGQUIT}, Known{"SEGV", SIGSEGV}, Known{"TERM", SIGTERM}, Known{"USR1", SIGUSR1},
      Known{"USR2", SIGUSR2}};
  for (const Known& known : kKnown) {
    if (known.name == name) return known.number;
  }
  return 0;
}

}  // namespace dynflow::remote_execution
