// One ssh session on an event loop: name lookup, TCP, handshake, host key, authentication, then channels that run commands.
//
// Nothing here blocks the loop: names, keys and the known_hosts file are handled by background threads, libssh is only called in
// non-blocking mode.
//
// Threads: everything on the loop's thread. Callbacks come from the loop, never from within a call of the owner, and none
// after close().
//
// Source of behaviour: theforeman/smart_proxy_remote_execution_ssh v1.0.1, multiplexed_ssh_connection.rb.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/secret.h"
#include "shared/executors/remote_execution/background.h"
#include "shared/executors/remote_execution/connect_gate.h"
#include "shared/executors/remote_execution/key_store.h"
#include "shared/net/event_loop.h"

namespace dynflow::remote_execution {

struct ConnectionOptions {
  std::string host;  // as Foreman names it; an alias of ssh_config works
  std::uint16_t port = 22;
  std::string user = "root";
  Secret password;      // empty: not tried
  Secret passphrase;    // of the key
  std::string key_file;
  bool forgets_host_key = false;    // what known_hosts says about the host is removed first
  std::string strict_known_hosts;   // a file that must know the host; empty: new hosts are accepted and remembered
  Duration connect_timeout = std::chrono::seconds(30);  // an attempt, from TCP to authenticated
  int retries = 3;                  // after a reset or end of connection before authentication
  Duration keepalive_interval = std::chrono::seconds(15);
  int keepalive_count = 3;          // silent intervals until the connection counts as lost
  std::string task_id;              // for log records
};

// What connections share. All outlive the connections.
struct ConnectionServices {
  Background& background;
  KeyStore& keys;
  ConnectGate& gate;
};

// How a command ended. Nothing set: the host closed without a word.
struct ChannelEnd {
  std::optional<int> exit_status;
  std::string signal;  // "TERM"
  std::string error;   // the command could not be started
  bool is_lost = false;  // the connection went away
};

struct ChannelRequest {
  std::string command;
  bool wants_terminal = false;
  std::string input;          // written to standard input
  bool closes_input = true;   // after `input`
  std::function<void(std::string_view bytes, bool is_stderr)> output;
  std::function<void(const ChannelEnd&)> ended;  // once
};

class Connection {
 public:
  using ChannelId = int;

  struct Callbacks {
    std::function<void()> connected;
    std::function<void(std::string text)> failed;  // instead of connected; text as users see it
    std::function<void(std::string why)> lost;     // after connected; channels have got their end before
  };

  Connection(net::EventLoop& loop, ConnectionServices services, ConnectionOptions options, Callbacks callbacks);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open();
  // Valid once connected.
  ChannelId start_channel(ChannelRequest request);
  // Appends to the channel's standard input. No effect when it has ended.
  void write(ChannelId id, std::string_view bytes);
  // Ends the channel from our side; the host hangs up its terminal. Its callbacks come no more.
  void drop_channel(ChannelId id);
  // While held nothing is read but what comes by the way, so that the host has to wait with its output. It is not taken for dead.
  void hold(bool is_held);
  // Harmless at any time and twice.
  void close();

 private:
  class Session;
  std::shared_ptr<Session> session_;  // owners: this, and tasks on the loop while they run
};

}  // namespace dynflow::remote_execution
