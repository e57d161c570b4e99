#include "shared/runner/job.h"

#include <fmt/core.h>

#include <exception>
#include <utility>

#include "shared/engine/action.h"
#include "shared/json/json.h"
#include "shared/log/log.h"
#include "shared/runner/dispatcher.h"

namespace dynflow::runner {
namespace {

using namespace std::chrono_literals;

// The first output of a quiet runner waits this long for more of the same burst.
constexpr auto kGather = 20ms;
// A runner that keeps talking is written this often.
constexpr auto kFlushInterval = 1000ms;
// More than this is written at once, whatever the interval says.
constexpr std::size_t kMaxPending = 256 * 1024;
// One chunk never grows past this.
constexpr std::size_t kMaxChunk = 64 * 1024;
// The store is asked about its progress this often; jobs that say less never ask.
constexpr std::size_t kFollowed = 256 * 1024;
// A job that is so far ahead of the store is held; so is any that has said kFollowed, while all together are so far ahead.
constexpr std::size_t kMostUnwritten = 8 * 1024 * 1024;
constexpr std::size_t kMostBacklog = 64 * 1024 * 1024;

std::string describe(const std::exception& e) {
  const auto* failure = dynamic_cast<const engine::ActionError*>(&e);
  return fmt::format("{} - {}", failure != nullptr ? failure->exception_class() : "RuntimeError", e.what());
}

}  // namespace

Job::Job(engine::World& world, net::EventLoop& loop, RunnerRequest request, std::size_t max_output_bytes, OutputBacklog& backlog,
         std::function<void(Job&)> on_end)
    : world_(world),
      loop_(loop),
      request_(std::move(request)),
      max_output_bytes_(max_output_bytes),
      backlog_(backlog),
      on_end_(std::move(on_end)) {}

Job::~Job() {
  runner_.reset();
  backlog_.bytes -= unwritten_bytes_;
  if (flush_timer_ != 0) loop_.cancel(flush_timer_);
  if (timeout_timer_ != 0) loop_.cancel(timeout_timer_);
}

void Job::start() {
  // Before the start, so that connecting counts.
  if (request_.timeout) {
    timeout_timer_ = loop_.run_after(*request_.timeout, [this] {
      timeout_timer_ = 0;
      with_runner([](Runner& runner) { runner.timeout(); });
    });
  }
  try {
    runner_ = request_.make(*this, loop_);
    runner_->start();
  } catch (const std::exception& e) {
    refuse("Error initializing command: " + describe(e));
  }
}

void Job::refuse(std::string_view text) {
  publish("debug", text);
  finish(ExitStatus::exception());
}

void Job::with_runner(const std::function<void(Runner&)>& use) {
  if (is_finished_ || runner_ == nullptr) return;
  try {
    use(*runner_);
  } catch (const std::exception& e) {
    refuse("Runner error: " + describe(e));
  }
}

void Job::publish(std::string_view output_type, std::string_view bytes) {
  if (is_finished_ || is_dropped_ || bytes.empty()) return;
  append(output_type, decoders_[std::string(output_type)].feed(bytes));
  if (pending_bytes_ > kMaxPending) {
    flush(false);
  } else {
    schedule_flush();
  }
}

void Job::append(std::string_view output_type, std::string text) {
  if (text.empty() || is_capped_) return;
  published_bytes_ += text.size();
  if (max_output_bytes_ != 0 && published_bytes_ > max_output_bytes_) {
    is_capped_ = true;
    output_type = "debug";
    text = fmt::format("The output is longer than {} bytes; the rest is not kept\n", max_output_bytes_);
  }
  pending_bytes_ += text.size();
  if (!pending_.empty() && pending_.back().output_type == output_type &&
      pending_.back().output.size() + text.size() <= kMaxChunk) {
    pending_.back().output += text;
    return;
  }
  persistence::OutputChunk chunk;
  chunk.output_type = output_type;
  chunk.output = std::move(text);
  chunk.timestamp = world_.clock().now();
  pending_.push_back(std::move(chunk));
}

void Job::schedule_flush() {
  if (flush_timer_ != 0 || pending_.empty()) return;
  Duration wait = kGather;
  if (last_flush_) {
    const Duration since = world_.clock().instant() - *last_flush_;
    if (since < kFlushInterval) wait = kFlushInterval - since;
  }
  flush_timer_ = loop_.run_after(wait, [this] {
    flush_timer_ = 0;
    flush(false);
  });
}

void Job::flush(bool is_last) {
  if (flush_timer_ != 0) {
    loop_.cancel(flush_timer_);
    flush_timer_ = 0;
  }
  if (pending_.empty()) return;
  std::vector<persistence::OutputChunk> ready = std::exchange(pending_, {});
  pending_bytes_ = 0;
  last_flush_ = world_.clock().instant();
  if (!is_last) {
    // A line that is still being written waits for its end, unless it is all there is: it may be a question.
    std::string& text = ready.back().output;
    const std::size_t line_end = text.rfind('\n');
    if (line_end != std::string::npos && line_end + 1 < text.size()) {
      persistence::OutputChunk rest = ready.back();
      rest.output = text.substr(line_end + 1);
      rest.timestamp = world_.clock().now();
      pending_bytes_ = rest.output.size();
      pending_.push_back(std::move(rest));
      text.resize(line_end + 1);
    }
  }
  for (const persistence::OutputChunk& chunk : ready) unfollowed_bytes_ += chunk.output.size();
  world_.append_output(request_.plan_id, request_.action_id, std::move(ready));
  if (unfollowed_bytes_ >= kFollowed) follow(std::exchange(unfollowed_bytes_, 0));
  schedule_flush();
}

void Job::follow(std::size_t bytes) {
  unwritten_bytes_ += bytes;
  backlog_.bytes += bytes;
  world_.flush_output(request_.plan_id, [post = backlog_.post, self = std::weak_ptr<Job*>(self_), bytes](const Status&) {
    post([self, bytes] {
      if (const auto job = self.lock()) (*job)->written(bytes);
    });
  });
  if (is_held_ || !is_behind()) return;
  is_held_ = true;
  with_runner([](Runner& runner) { runner.hold_output(true); });
}

// Or it failed for good: then nothing of it waits any more.
void Job::written(std::size_t bytes) {
  unwritten_bytes_ -= bytes;
  backlog_.bytes -= bytes;
  // The last of it in any case: nobody else would let the runner go on.
  if (!is_held_ || (unwritten_bytes_ > 0 && is_behind())) return;
  is_held_ = false;
  with_runner([](Runner& runner) { runner.hold_output(false); });
}

bool Job::is_behind() const { return unwritten_bytes_ > kMostUnwritten || (unwritten_bytes_ > 0 && backlog_.bytes > kMostBacklog); }

void Job::drop() {
  is_dropped_ = true;
  pending_.clear();
  with_runner([](Runner& runner) { runner.kill(); });
}

void Job::finish(ExitStatus status) {
  if (is_finished_) return;
  if (is_dropped_) {
    is_finished_ = true;
    return on_end_(*this);
  }
  for (auto& [output_type, decoder] : decoders_) append(output_type, decoder.finish());
  flush(true);
  is_finished_ = true;
  if (timeout_timer_ != 0) {
    loop_.cancel(timeout_timer_);
    timeout_timer_ = 0;
  }
  Json data;
  data["exit_status"] = status.to_json();
  data["exit_status_timestamp"] = to_unix_seconds(world_.clock().now());
  // The store keeps the order of submission: the output above is durable before what this event leads to.
  world_.send(request_.plan_id, request_.step_id, engine::Event{std::string(kRunnerFinished), std::move(data)});
  on_end_(*this);
}

}  // namespace dynflow::runner
