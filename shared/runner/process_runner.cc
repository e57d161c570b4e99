#include "shared/runner/process_runner.h"

#include <fmt/core.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "shared/engine/action.h"

namespace dynflow::runner {
namespace {

using namespace std::chrono_literals;

constexpr auto kKillGrace = 10s;
constexpr auto kDrainTime = 1s;

class ProcessRunner final : public Runner {
 public:
  ProcessRunner(Publisher& publisher, net::EventLoop& loop, process::SpawnOptions options)
      : Runner(publisher), loop_(loop), options_(std::move(options)) {}

  ~ProcessRunner() override {
    for (const net::EventLoop::WatchId id : {out_.watch, err_.watch, exit_watch_}) {
      if (id != 0) loop_.unwatch(id);
    }
    if (timer_ != 0) loop_.cancel(timer_);
  }

  void start() override {
    Result<process::Child> child = process::Child::spawn(options_);
    if (!child) {
      throw engine::ActionError("RuntimeError", fmt::format("{}", child.error().message()));
    }
    child_.emplace(std::move(*child));
    follow(out_, child_->stdout_fd(), "stdout");
    if (child_->stderr_fd()) follow(err_, child_->stderr_fd(), "stderr");
    Result<net::EventLoop::WatchId> watch =
        loop_.watch(child_->pidfd(), net::kReadable, [this](std::uint32_t) { child_ended(); });
    if (!watch) throw engine::ActionError("RuntimeError", watch.error().message());
    exit_watch_ = *watch;
  }

  // Watched for nothing, and not unwatched: a pipe that is closed at the other end is still seen, and what is in it read.
  void hold_output(bool is_held) override {
    for (const Stream* stream : {&out_, &err_}) {
      if (stream->watch != 0) loop_.rewatch(stream->watch, is_held && !ending_ ? 0 : net::kReadable);
    }
  }

  void kill() override {
    if (!child_ || ending_) return;
    child_->signal_group(SIGTERM);
    if (timer_ != 0) return;
    timer_ = loop_.run_after(kKillGrace, [this] {
      timer_ = 0;
      child_->signal_group(SIGKILL);
    });
  }

 private:
  struct Stream {
    Fd* fd = nullptr;
    net::EventLoop::WatchId watch = 0;
    std::string_view output_type;
  };

  void follow(Stream& stream, Fd& fd, std::string_view output_type) {
    stream.fd = &fd;
    stream.output_type = output_type;
    Result<net::EventLoop::WatchId> watch =
        loop_.watch(fd.get(), net::kReadable, [this, &stream](std::uint32_t) { read_some(stream); });
    if (!watch) throw engine::ActionError("RuntimeError", watch.error().message());
    stream.watch = *watch;
  }

  // One read a call: level-triggered, so that a child that floods does not hold up the loop.
  void read_some(Stream& stream) {
    char buffer[65536];
    const ssize_t n = ::read(stream.fd->get(), buffer, sizeof buffer);
    if (n > 0) {
      publisher().publish(stream.output_type, {buffer, static_cast<std::size_t>(n)});
      return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    loop_.unwatch(std::exchange(stream.watch, 0));
    finish_if_done();
  }

  void child_ended() {
    Result<process::Ending> ending = child_->reap();
    if (!ending) return;
    ending_ = *ending;
    hold_output(false);
    loop_.unwatch(std::exchange(exit_watch_, 0));
    if (timer_ != 0) loop_.cancel(timer_);
    timer_ = loop_.run_after(kDrainTime, [this] {
      timer_ = 0;
      report();
    });
    finish_if_done();
  }

  void finish_if_done() {
    if (ending_ && out_.watch == 0 && err_.watch == 0) report();
  }

  void report() {
    publisher().finish(ending_->was_signalled ? ExitStatus::signalled(ending_->value)
                                              : ExitStatus::code(ending_->value));
  }

  net::EventLoop& loop_;
  const process::SpawnOptions options_;
  std::optional<process::Child> child_;
  std::optional<process::Ending> ending_;  // set when the child was reaped
  Stream out_;
  Stream err_;
  net::EventLoop::WatchId exit_watch_ = 0;
  net::EventLoop::TimerId timer_ = 0;  // until the KILL, then until the drain's end; 0 = not set
};

}  // namespace

std::unique_ptr<Runner> make_process_runner(Publisher& publisher, net::EventLoop& loop, process::SpawnOptions options) {
  return std::make_unique<ProcessRunner>(publisher, loop, std::move(options));
}

}  // namespace dynflow::runner
