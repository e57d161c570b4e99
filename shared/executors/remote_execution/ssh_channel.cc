#include "shared/executors/remote_execution/ssh_channel.h"

#include <algorithm>
#include <utility>

namespace dynflow::remote_execution {
namespace {

constexpr int kColumns = 80;
constexpr int kRows = 24;
// Bounds what libssh copies per call.
constexpr std::size_t kWriteSize = 256 * 1024;

}  // namespace

std::unique_ptr<SshChannel> SshChannel::make(ssh_session session, ChannelRequest request) {
  ssh_channel channel = ssh_channel_new(session);
  if (channel == nullptr) return nullptr;
  return std::unique_ptr<SshChannel>(new SshChannel(channel, std::move(request)));
}

SshChannel::SshChannel(ssh_channel channel, ChannelRequest request) : channel_(channel), request_(std::move(request)) {
  input_ = std::exchange(request_.input, {});
  callbacks_.userdata = this;
  callbacks_.channel_data_function = &SshChannel::on_data;
  callbacks_.channel_exit_status_function = &SshChannel::on_status;
  callbacks_.channel_exit_signal_function = &SshChannel::on_signal;
  callbacks_.channel_close_function = &SshChannel::on_close;
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_, &callbacks_);
}

SshChannel::~SshChannel() {
  // libssh keeps the channel until the host has answered the close, but not our callbacks.
  ssh_remove_channel_callbacks(channel_, &callbacks_);
  if (!is_abandoned_ && ssh_channel_is_open(channel_)) ssh_channel_close(channel_);
  ssh_channel_free(channel_);
}

bool SshChannel::is_done(int code) {
  if (code == SSH_OK) return true;
  if (code != SSH_AGAIN) {
    state_ = State::kFailed;
    end_.error = ssh_get_error(ssh_channel_get_session(channel_));
  }
  return false;
}

void SshChannel::advance() {
  if (is_abandoned_ || is_closed_) return;
  if (state_ == State::kOpening && is_done(ssh_channel_open_session(channel_))) {
    state_ = request_.wants_terminal ? State::kTerminal : State::kCommand;
  }
  if (state_ == State::kTerminal && is_done(ssh_channel_request_pty_size(channel_, "xterm", kColumns, kRows))) {
    state_ = State::kCommand;
  }
  if (state_ == State::kCommand && is_done(ssh_channel_request_exec(channel_, request_.command.c_str()))) {
    state_ = State::kRunning;
  }
  if (state_ == State::kRunning) send_input();
}

void SshChannel::send_input() {
  while (input_sent_ < input_.size()) {
    // Beyond the window libssh would wait.
    const std::size_t size = std::min({input_.size() - input_sent_, kWriteSize,
                                       static_cast<std::size_t>(ssh_channel_window_size(channel_))});
    if (size == 0) return;
    const int written = ssh_channel_write(channel_, input_.data() + input_sent_, static_cast<std::uint32_t>(size));
    if (written <= 0) return;
    input_sent_ += static_cast<std::size_t>(written);
  }
  input_.clear();
  input_sent_ = 0;
  if (request_.closes_input && !is_input_closed_ && ssh_channel_send_eof(channel_) == SSH_OK) is_input_closed_ = true;
}

bool SshChannel::has_ended() const { return is_closed_ || is_abandoned_ || state_ == State::kFailed; }

SshChannel::News SshChannel::take_news() {
  News news;
  news.out = std::exchange(out_, {});
  news.err = std::exchange(err_, {});
  news.has_ended = has_ended();
  if (news.has_ended) news.end = end_;
  news.end.is_lost = is_abandoned_ && !is_closed_;
  return news;
}

int SshChannel::on_data(ssh_session, ssh_channel, void* data, std::uint32_t size, int is_stderr, void* self) {
  SshChannel& channel = *static_cast<SshChannel*>(self);
  (is_stderr != 0 ? channel.err_ : channel.out_).append(static_cast<const char*>(data), size);
  return static_cast<int>(size);
}

void SshChannel::on_status(ssh_session, ssh_channel, int status, void* self) {
  static_cast<SshChannel*>(self)->end_.exit_status = status;
}

void SshChannel::on_signal(ssh_session, ssh_channel, const char* signal, int /*core*/, const char* /*message*/,
                           const char* /*language*/, void* self) {
  static_cast<SshChannel*>(self)->end_.signal = signal == nullptr ? "" : signal;
}

void SshChannel::on_close(ssh_session, ssh_channel, void* self) { static_cast<SshChannel*>(self)->is_closed_ = true; }

}  // namespace dynflow::remote_execution
