// The private key we log in with, read once and shared by all connections that use it at the same time.
//
// Threads: all methods may be called from any thread; load() blocks on the disk, and some 100 ms of computing for a key with a passphrase.
#pragma once

#include <libssh/libssh.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "shared/base/clock.h"
#include "shared/base/ids.h"
#include "shared/base/result.h"
#include "shared/base/secret.h"

namespace dynflow::remote_execution {

struct KeyDeleter {
  void operator()(ssh_key key) const { ssh_key_free(key); }
};
using KeyPtr = std::unique_ptr<ssh_key_struct, KeyDeleter>;

// Read-only once made.
struct Identity {
  KeyPtr key;
  KeyPtr certified_key;  // the same with the user certificate beside it; null when there is none
};

class KeyStore {
 public:
  struct Loaded {
    std::shared_ptr<const Identity> identity;  // owners: the connections in their authentication; null: see below
    bool needs_passphrase = false;             // it has one, and none was given
    std::string error;                         // cannot be read, or the passphrase is wrong
  };
  // `path`, and `path`-cert.pub when that exists.
  Loaded load(const std::string& path, const Secret& passphrase);

 private:
  struct Entry {
    std::string path;
    std::string proof;  // of the passphrase; see proof_of()
    std::string stamp;  // of both files, changes when they do
    std::weak_ptr<const Identity> identity;
  };
  // Tells one passphrase from another; it is not kept itself, and differs in each process.
  std::string proof_of(const Secret& passphrase) const;

  const std::string salt_ = random_hex(32);
  std::mutex mutex_;  // guards entries_; held while loading, so that a key is decrypted once however many ask
  std::vector<Entry> entries_;
};

}  // namespace dynflow::remote_execution
