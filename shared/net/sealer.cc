#include "shared/net/sealer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>

#include "shared/base/base64.h"
#include "shared/base/fd.h"
#include "shared/base/wiped_memory.h"
#include "shared/net/digest.h"
#include "shared/net/socket.h"

namespace dynflow::net {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;  // random: a key is good for some 2^32 texts (NIST SP 800-38D, 8.3)
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kNameDigits = 12;
constexpr off_t kMostFileBytes = 64 * 1024;
constexpr mode_t kForbidden = S_IWGRP | S_IXGRP | S_IRWXO;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

Error openssl_failed() {
  ERR_clear_error();
  return Error(Code::kFailed, "OpenSSL cannot do AES-256-GCM");
}

Result<Secret> read_file(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return Error(Code::kInvalid, fmt::format("{}: {}", path, errno_text(errno)));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return Error(Code::kInvalid, fmt::format("{}: {}", path, errno_text(errno)));
  if (!S_ISREG(info.st_mode)) return Error(Code::kInvalid, fmt::format("{} is not a file", path));
  if ((info.st_mode & kForbidden) != 0) {
    return Error(Code::kInvalid, fmt::format("{} has mode {:04o}: a key file has to be 0600, or 0640 at most", path,
                                             static_cast<unsigned>(info.st_mode & 07777)));
  }
  if (info.st_size > kMostFileBytes) return Error(Code::kInvalid, fmt::format("{} is too long for a key file", path));
  std::string text(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const auto got = ::read(file.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error(Code::kInvalid, fmt::format("{}: {}", path, errno_text(errno)));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  text.resize(used);
  return Secret(std::move(text));
}

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// One pass of the cipher. Nothing: OpenSSL failed; when opening also: the tag is wrong.
bool pass(bool seals, std::string_view key, std::string_view nonce, std::string_view owner, std::string_view in, std::string& out,
          std::string& tag) {
  const Cipher cipher(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  if (!cipher || in.size() > INT_MAX || owner.size() > INT_MAX) return false;
  out.resize(in.size());
  int size = 0;
  unsigned char rest[16];
  if (EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), bytes_of(nonce), seals ? 1 : 0) != 1 ||
      EVP_CipherUpdate(cipher.get(), nullptr, &size, bytes_of(owner), static_cast<int>(owner.size())) != 1 ||
      EVP_CipherUpdate(cipher.get(), bytes_of(out), &size, bytes_of(in), static_cast<int>(in.size())) != 1) {
    return false;
  }
  if (!seals && EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, bytes_of(tag)) != 1) return false;
  if (EVP_CipherFinal_ex(cipher.get(), rest, &size) != 1) return false;
  tag.resize(kTagBytes);
  return !seals || EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, bytes_of(tag)) == 1;
}

}  // namespace

Result<Sealer> Sealer::from_file(const std::string& path) {
  const auto content = read_file(path);
  if (!content) return content.error();
  Sealer sealer(path);
  std::string_view rest = content->reveal();
  for (int number = 1; !rest.empty(); ++number) {
    const std::string_view line = trimmed(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(rest.size(), rest.find('\n') == std::string_view::npos ? rest.size() : rest.find('\n') + 1));
    if (line.empty() || line.front() == '#') continue;
    std::optional<std::string> key = base64_decode(line);
    if (!key || key->size() != kKeyBytes) {
      return Error(Code::kInvalid, fmt::format("{}:{}: not a key: 32 bytes as base64, as `openssl rand -base64 32` makes them", path, number));
    }
    std::string name = sha256_hex(*key).substr(0, kNameDigits);
    sealer.keys_.push_back({std::move(name), Secret(std::move(*key))});
  }
  if (sealer.keys_.empty()) return Error(Code::kInvalid, fmt::format("{} holds no key", path));
  return sealer;
}

Result<std::string> Sealer::seal(std::string_view text, std::string_view owner) const {
  const Key& key = keys_.front();
  std::string nonce(kNonceBytes, '\0');
  std::string sealed;
  std::string tag;
  if (RAND_bytes(bytes_of(nonce), static_cast<int>(nonce.size())) != 1 ||
      !pass(true, key.bytes.reveal(), nonce, owner, text, sealed, tag)) {
    return openssl_failed();
  }
  return key.name + "." + base64_encode(nonce + tag + sealed);
}

Result<Secret> Sealer::open(std::string_view sealed, std::string_view owner) const {
  const std::size_t dot = sealed.find('.');
  const auto bytes = dot == kNameDigits ? base64_decode(sealed.substr(dot + 1)) : std::nullopt;
  if (!bytes || bytes->size() < kNonceBytes + kTagBytes) return Error(Code::kCorrupt, "what was sealed is damaged");
  const std::string_view name = sealed.substr(0, dot);
  const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const Key& each) { return each.name == name; });
  if (key == keys_.end()) return Error(Code::kNotFound, fmt::format("they were sealed with key {}, which is not in {}", name, path_));
  const std::string_view view = *bytes;
  std::string tag(view.substr(kNonceBytes, kTagBytes));
  std::string text;
  if (!pass(false, key->bytes.reveal(), view.substr(0, kNonceBytes), owner, view.substr(kNonceBytes + kTagBytes), text, tag)) {
    wipe(text);
    ERR_clear_error();
    return Error(Code::kCorrupt, "what was sealed is damaged, or another's");
  }
  return Secret(std::move(text));
}

}  // namespace dynflow::net
