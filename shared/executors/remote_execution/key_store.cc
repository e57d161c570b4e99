#include "shared/executors/remote_execution/key_store.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "shared/base/wiped_memory.h"
#include "shared/net/digest.h"

namespace dynflow::remote_execution {
namespace {

struct Asked {
  const Secret* passphrase;
  bool is_asked = false;
};

// Given to libssh always: without it OpenSSL would ask on the terminal.
int give_passphrase(const char* /*prompt*/, char* buffer, std::size_t size, int /*echo*/, int /*verify*/, void* data) {
  Asked& asked = *static_cast<Asked*>(data);
  asked.is_asked = true;
  const std::string_view passphrase = asked.passphrase->reveal();
  if (passphrase.empty() || passphrase.size() >= size) return -1;
  std::memcpy(buffer, passphrase.data(), passphrase.size());
  buffer[passphrase.size()] = '\0';
  return 0;
}

std::string stamp_of(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return "-";
  return fmt::format("{}.{}.{}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

KeyPtr with_certificate(const std::string& path, ssh_key plain) {
  ssh_key certificate = nullptr;
  if (ssh_pki_import_cert_file(path.c_str(), &certificate) != SSH_OK) return nullptr;
  const KeyPtr owned(certificate);
  KeyPtr key(ssh_key_dup(plain));
  if (key == nullptr || ssh_pki_copy_cert_to_privkey(certificate, key.get()) != SSH_OK) return nullptr;
  return key;
}

}  // namespace

std::string KeyStore::proof_of(const Secret& passphrase) const {
  if (passphrase.empty()) return {};
  std::string text = salt_;
  text += passphrase.reveal();
  std::string proof = net::sha256_hex(text);
  wipe(text);
  return proof;
}

KeyStore::Loaded KeyStore::load(const std::string& path, const Secret& passphrase) {
  const std::string certificate = path + "-cert.pub";
  const std::string stamp = stamp_of(path) + " " + stamp_of(certificate);
  std::string proof = proof_of(passphrase);
  std::lock_guard lock(mutex_);
  std::erase_if(entries_, [](const Entry& entry) { return entry.identity.expired(); });
  for (const Entry& entry : entries_) {
    if (entry.path == path && entry.stamp == stamp && equal_in_constant_time(entry.proof, proof)) {
      if (auto identity = entry.identity.lock()) return {std::move(identity), false, {}};
    }
  }
  Asked asked{&passphrase};
  ssh_key key = nullptr;
  const int code = ssh_pki_import_privkey_file(path.c_str(), nullptr, give_passphrase, &asked, &key);
  if (code == SSH_EOF) return {nullptr, false, fmt::format("Load key \"{}\": No such file or directory", path)};
  if (code != SSH_OK) {
    if (asked.is_asked && passphrase.empty()) return {nullptr, true, {}};
    if (asked.is_asked) return {nullptr, false, fmt::format("Load key \"{}\": incorrect passphrase supplied to decrypt private key", path)};
    return {nullptr, false, fmt::format("Load key \"{}\": invalid format", path)};
  }
  auto identity = std::make_shared<Identity>();
  identity->key.reset(key);
  if (::access(certificate.c_str(), R_OK) == 0) identity->certified_key = with_certificate(certificate, key);
  entries_.push_back({path, std::move(proof), stamp, identity});
  return {std::move(identity), false, {}};
}

}  // namespace dynflow::remote_execution
