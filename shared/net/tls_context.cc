#include "shared/net/tls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <string_view>

#include "shared/log/log.h"

namespace dynflow::net {
namespace {

using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

// smart-proxy develop lib/launcher.rb:7-9, with the ECDSA twins that EC server keys need for TLS 1.2.
constexpr std::array<std::string_view, 10> kCiphers = {
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-GCM-SHA384", "AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA256", "AES256-SHA256",
    "AES128-SHA", "AES256-SHA"};

constexpr std::string_view kSessionIdContext = "smart-proxy-dynflow";
// Stateful sessions are only those of TLS 1.2 clients without tickets.
constexpr long kSessionCacheSize = 1024;
// How often connections that are kept are compared with the files they were made with.
constexpr std::chrono::milliseconds kBetweenLooks{1000};

Error failure(const std::string& what) {
  char text[256] = "unknown reason";
  if (const unsigned long code = ERR_get_error(); code != 0) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return Error(Code::kInvalid, what + ": " + text);
}

std::string cipher_list(const std::vector<std::string>& disabled) {
  std::string list;
  for (const std::string_view cipher : kCiphers) {
    if (std::find(disabled.begin(), disabled.end(), cipher) != disabled.end()) continue;
    if (!list.empty()) list += ':';
    list += cipher;
  }
  return list;
}

// Upstream turns each entry into a constant OP_NO_TLSv<x_y>; "1.0" has none there.
std::uint64_t version_options(const std::vector<std::string>& disabled) {
  std::uint64_t options = 0;
  for (const std::string& version : disabled) {
    std::uint64_t option = 0;
    if (version == "1") option = SSL_OP_NO_TLSv1;
    if (version == "1.1") option = SSL_OP_NO_TLSv1_1;
    if (version == "1.2") option = SSL_OP_NO_TLSv1_2;
    if (version == "1.3") option = SSL_OP_NO_TLSv1_3;
    if (option == 0) {
      log::warn({}, "TLSv{} was not found.", version);
    } else {
      log::info({}, "TLSv{} will be disabled.", version);
    }
    options |= option;
  }
  return options;
}

Status load_identity(SSL_CTX* context, const std::string& certificate_file, const std::string& key_file) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return failure("certificate " + certificate_file);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return failure("private key " + key_file);
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return failure("private key " + key_file + " does not belong to certificate " + certificate_file);
  }
  return {};
}

void set_modes(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Requests carry passwords: what was decrypted and handed out does not stay behind.
  SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
  // A record's header and body in one recv(2).
  SSL_CTX_set_read_ahead(context, 1);
}

int refuse_password(char*, int, int, void*) { return 0; }

}  // namespace

Result<std::shared_ptr<const TlsServerContext>> TlsServerContext::create(const TlsServerOptions& options) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  if (!context) return failure("TLS");
  set_modes(context.get());
  // An encrypted key must fail, not ask at a terminal.
  SSL_CTX_set_default_passwd_cb(context.get(), refuse_password);
  const std::uint64_t versions = version_options(options.disabled_versions);
  if ((versions & SSL_OP_NO_TLSv1_2) != 0 && (versions & SSL_OP_NO_TLSv1_3) != 0) {
    return Error(Code::kInvalid, "every TLS version is disabled");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_COMPRESSION | versions);
  const std::string ciphers = cipher_list(options.disabled_ciphers);
  if (ciphers.empty() || SSL_CTX_set_cipher_list(context.get(), ciphers.c_str()) != 1) {
    // With every old cipher disabled TLS 1.3 still works.
    ERR_clear_error();
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TLSv1_2);
  }
  if (auto loaded = load_identity(context.get(), options.certificate_file, options.key_file); !loaded) {
    return loaded.error();
  }
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) != 1) {
      return failure("CA file " + options.ca_file);
    }
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options.ca_file.c_str());
    if (names == nullptr) return failure("CA file " + options.ca_file);
    SSL_CTX_set_client_CA_list(context.get(), names);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  SSL_CTX_set_session_id_context(context.get(), reinterpret_cast<const unsigned char*>(kSessionIdContext.data()),
                                 static_cast<unsigned>(kSessionIdContext.size()));
  SSL_CTX_sess_set_cache_size(context.get(), kSessionCacheSize);
  SSL_CTX_set_num_tickets(context.get(), 1);
  ERR_clear_error();
  return std::shared_ptr<const TlsServerContext>(new TlsServerContext(context.release()));
}

TlsServerContext::~TlsServerContext() { SSL_CTX_free(context_); }

std::unique_ptr<TlsSession> TlsServerContext::session(int fd) const {
  SSL* ssl = SSL_new(context_);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsSession>(ssl, fd);
}

Time TlsServerContext::expires() const {
  std::tm parts{};
  const X509* certificate = SSL_CTX_get0_certificate(context_);
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) return Time::max();
  return std::chrono::time_point_cast<Time::duration>(std::chrono::system_clock::from_time_t(timegm(&parts)));
}

Result<std::shared_ptr<const TlsClientContext>> TlsClientContext::create(const TlsClientOptions& options) {
  // Looked at first: what is replaced meanwhile is seen by the next session.
  const FileStates states = look_at(options);
  auto context = load(options);
  if (!context) return context.error();
  return std::shared_ptr<const TlsClientContext>(new TlsClientContext(options, states, *context));
}

Result<ssl_ctx_st*> TlsClientContext::load(const TlsClientOptions& options) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
  if (!context) return failure("TLS");
  set_modes(context.get());
  SSL_CTX_set_default_passwd_cb(context.get(), refuse_password);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_locations(context.get(), options.ca_file.c_str(), nullptr) != 1) {
      return failure("CA file " + options.ca_file);
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  if (!options.certificate_file.empty()) {
    if (auto loaded = load_identity(context.get(), options.certificate_file, options.key_file); !loaded) {
      return loaded.error();
    }
  }
  ERR_clear_error();
  return context.release();
}

TlsClientContext::FileStates TlsClientContext::look_at(const TlsClientOptions& options) {
  FileStates states;
  const std::array<const std::string*, 3> files{&options.ca_file, &options.certificate_file, &options.key_file};
  for (std::size_t i = 0; i < files.size(); ++i) {
    struct stat info {};
    if (files[i]->empty() || ::stat(files[i]->c_str(), &info) != 0) continue;
    states[i] = {info.st_dev, info.st_ino, static_cast<std::uint64_t>(info.st_size),
                 static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec};
  }
  return states;
}

void TlsClientContext::follow_files() const {
  const FileStates states = look_at(options_);
  {
    const std::lock_guard lock(mutex_);
    if (states == states_) return;
    states_ = states;  // also when they cannot be used: one error for each change
  }
  auto fresh = load(options_);
  if (!fresh) return log::error({}, "The old client certificate and CA stay in use: {}", fresh.error().message());
  const std::lock_guard lock(mutex_);
  SSL_CTX_free(std::exchange(context_, *fresh));
  ++generation_;
}

std::uint64_t TlsClientContext::generation() const {
  const Instant now = system_clock().instant();
  bool is_due = false;
  {
    const std::lock_guard lock(mutex_);
    is_due = now >= next_look_;
    if (is_due) next_look_ = now + kBetweenLooks;
  }
  if (is_due) follow_files();
  const std::lock_guard lock(mutex_);
  return generation_;
}

TlsClientContext::~TlsClientContext() { SSL_CTX_free(context_); }

std::unique_ptr<TlsSession> TlsClientContext::session(int fd, const std::string& host) const {
  follow_files();
  SSL* ssl = nullptr;
  {
    const std::lock_guard lock(mutex_);
    ssl = SSL_new(context_);
  }
  SSL_set_connect_state(ssl);
  X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
  in6_addr binary{};
  const bool is_address =
      inet_pton(AF_INET, host.c_str(), &binary) == 1 || inet_pton(AF_INET6, host.c_str(), &binary) == 1;
  if (is_address) {
    X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
  } else {
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size());
    // What SSL_set_tlsext_host_name expands to, without its C cast.
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()));
  }
  return std::make_unique<TlsSession>(ssl, fd);
}

}  // namespace dynflow::net
