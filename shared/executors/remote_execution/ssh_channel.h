// A command on an open session: request, standard input, output, end. A part of connection.cc.
//
// libssh's callbacks only collect; deliver() hands out when libssh is not on the stack any more, so that receivers may do anything.
//
// Threads: the loop's thread.
#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <memory>
#include <string>

#include "shared/executors/remote_execution/connection.h"

namespace dynflow::remote_execution {

class SshChannel {
 public:
  // Null when libssh has no memory for it.
  static std::unique_ptr<SshChannel> make(ssh_session session, ChannelRequest request);
  // Tells the host to close, when the session is still there.
  ~SshChannel();
  SshChannel(const SshChannel&) = delete;
  SshChannel& operator=(const SshChannel&) = delete;

  void write(std::string_view bytes) { input_ += bytes; }
  // Goes on as far as libssh lets it.
  void advance();
  // The session is gone: what has not ended ends now.
  void abandon() { is_abandoned_ = true; }
  bool has_news() const { return !out_.empty() || !err_.empty() || has_ended(); }
  bool has_ended() const;

  // What there is to hand out; the callbacks may destroy this object, so they are called by the holder.
  struct News {
    std::string out;
    std::string err;
    bool has_ended = false;
    ChannelEnd end;
  };
  News take_news();
  const ChannelRequest& request() const { return request_; }

 private:
  // The steps that libssh wants repeated until they are done.
  enum class State { kOpening, kTerminal, kCommand, kRunning, kFailed };

  SshChannel(ssh_channel channel, ChannelRequest request);
  bool is_done(int code);
  void send_input();

  static int on_data(ssh_session, ssh_channel, void* data, std::uint32_t size, int is_stderr, void* self);
  static void on_status(ssh_session, ssh_channel, int status, void* self);
  static void on_signal(ssh_session, ssh_channel, const char* signal, int core, const char* message, const char* language,
                        void* self);
  static void on_close(ssh_session, ssh_channel, void* self);

  ssh_channel channel_;
  ChannelRequest request_;
  ssh_channel_callbacks_struct callbacks_{};
  State state_ = State::kOpening;
  std::string input_;
  std::size_t input_sent_ = 0;
  bool is_input_closed_ = false;  // end of input was sent
  bool is_closed_ = false;        // the host closed
  bool is_abandoned_ = false;
  ChannelEnd end_;
  std::string out_;
  std::string err_;
};

}  // namespace dynflow::remote_execution
