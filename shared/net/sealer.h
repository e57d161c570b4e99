// Texts that only those can read who have the key: AES-256-GCM.
//
// The keys come from a file: one a line, 32 random bytes as base64 (`openssl rand -base64 32`); empty lines and those that begin with
// # say nothing. The first key seals, all of them open. So a key is changed by putting the new one before the old one.
//
// Threads: all methods may be called from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"
#include "shared/base/secret.h"

namespace dynflow::net {

class Sealer {
 public:
  // kInvalid: the file cannot be read, others than its owner and group may read it or others than its owner write it, or a line is no key.
  // The text names the file and the line, never what stands there.
  static Result<Sealer> from_file(const std::string& path);

  // Printable: the key's name, then what was sealed. `owner` is what it belongs to: it opens as that alone. kFailed: OpenSSL failed.
  Result<std::string> seal(std::string_view text, std::string_view owner) const;
  // kNotFound: it was sealed with a key that is not in the file. kCorrupt: it was changed, or belongs to another.
  Result<Secret> open(std::string_view sealed, std::string_view owner) const;

 private:
  struct Key {
    std::string name;  // tells keys apart, and says nothing about them
    Secret bytes;
  };
  explicit Sealer(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<Key> keys_;
};

}  // namespace dynflow::net
