#include "migration/check/certificates.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <initializer_list>

#include "migration/site/host_name.h"
#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/net/certificate_examination.h"
#include "shared/net/certificate_pins.h"
#include "shared/net/peer_certificate.h"

namespace dynflow::migration {

namespace {

using net::CertificateExamination;
using net::CertificateFlaw;
using net::CertificateQuestion;
using Kind = CertificateFlaw::Kind;
using Role = CertificateQuestion::Role;

constexpr std::string_view kServiceUser = "foreman-proxy";
// Where Puppet's agent keeps what its authority revoked; Foreman's web server is given the same list.
constexpr std::array kRevocations = {"/etc/puppetlabs/puppet/ssl/crl.pem", "/var/lib/puppet/ssl/crl.pem"};

// The first of the keys that the file has.
std::string place_of(const settings::Values& values, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (values.find_string(key)) return values.place(key);
  }
  return "default";
}

struct Files {
  std::string certificate;
  std::string key;
  std::vector<std::string> cas;  // it is enough when one of them verifies it: which one the peer has is not known here
  std::string crl = {};
};

class Examiner {
 public:
  Examiner(const Site& site, const PairQuestion& question) : site_(site), question_(question) {}

  CertificatePair examine(std::string name, const Files& files, Role role, const std::string& host, const std::string& setting) const;
  CertificateExamination look(const Files& files, const std::string& ca, Role role, const std::string& host) const;

 private:
  std::string real(const std::string& path) const { return path.empty() ? path : site_.layout.real(path).string(); }
  std::string mend_for(Kind kind, const Files& files, const std::string& ca, const std::string& host, Role role) const;
  void check_access(const Files& files, const std::string& ca, CertificatePair& pair) const;

  const Site& site_;
  const PairQuestion& question_;
};

CertificateExamination Examiner::look(const Files& files, const std::string& ca, Role role, const std::string& host) const {
  return net::examine_certificate({real(files.certificate), real(files.key), real(ca), role, host, ca.empty() ? "" : real(files.crl)}, system_clock().now());
}

std::string Examiner::mend_for(Kind kind, const Files& files, const std::string& ca, const std::string& host, Role role) const {
  const std::string& file = files.certificate;
  switch (kind) {
    case Kind::kUnreadable: return fmt::format("ls -lL {} {} {}; openssl x509 -noout -subject -in {}  # PEM, and a key without a passphrase", file, files.key, ca, file);
    case Kind::kKeyMismatch: return fmt::format("diff <(openssl x509 -noout -pubkey -in {}) <(openssl pkey -pubout -in {})  # then name the key that belongs to it", file, files.key);
    case Kind::kUntrusted: return fmt::format("openssl verify -CAfile {} {}  # then have it issued by that authority, or add its issuer to the CA file", ca, file);
    case Kind::kChainIncomplete: return fmt::format("cat INTERMEDIATE.pem >> {}  # the issuer that is named, below the certificate; or into {}", file, ca);
    case Kind::kWrongName: return fmt::format("issue a certificate with subjectAltName=DNS:{}", host);
    case Kind::kWrongPurpose: return fmt::format("issue a certificate with extendedKeyUsage={}", role == Role::kServer ? "serverAuth" : "clientAuth");
    case Kind::kRevoked: return fmt::format("openssl crl -noout -text -in {}  # names serial and reason; then issue a new certificate", files.crl);
    case Kind::kOldRevocations: return fmt::format("openssl crl -noout -nextupdate -in {}  # then fetch it anew from the authority", files.crl);
    case Kind::kWeak: return fmt::format("openssl req -new -newkey rsa:4096 -nodes -sha256 ...  # openssl x509 -noout -text -in {} shows key and signature", file);
    default: return fmt::format("openssl x509 -noout -subject -dates -in {}  # then issue a new one", file);
  }
}

void Examiner::check_access(const Files& files, const std::string& ca, CertificatePair& pair) const {
  namespace fs = std::filesystem;
  if (!files.key.empty() && is_open_to_all(real(files.key))) {
    pair.hints.push_back({fmt::format("everybody may read the key {}", files.key), fmt::format("chown root:{0} {1}; chmod 0640 {1}", kServiceUser, files.key)});
  }
  if (!question_.service) return;
  for (const std::string& file : {files.certificate, files.key, ca}) {
    if (file.empty()) continue;
    const std::string obstacle = obstacle_to(real(file), *question_.service);
    if (obstacle.empty()) continue;
    pair.flaws.push_back({site_path(site_.layout, obstacle), fmt::format("sudo -u {0} cat {1} > /dev/null; chgrp {0} {1}; chmod g+r {1}", question_.service->name, file)});
  }
}

CertificatePair Examiner::examine(std::string name, const Files& files, Role role, const std::string& host, const std::string& setting) const {
  CertificatePair pair{std::move(name), files.certificate, site_path(site_.layout, setting), files.cas.empty() ? "" : files.cas.front(), {}, {}};
  CertificateExamination seen = look(files, pair.ca, role, host);
  for (std::size_t at = 1; at < files.cas.size() && !seen.is_trusted(); ++at) {
    CertificateExamination other = look(files, files.cas[at], role, host);
    if (!other.is_trusted()) continue;
    seen = std::move(other);
    pair.ca = files.cas[at];
  }
  for (const CertificateFlaw& flaw : seen.flaws) {
    PairFlaw row{site_path(site_.layout, flaw.text), mend_for(flaw.kind, files, pair.ca, host, role)};
    (net::is_hint(flaw.kind) ? pair.hints : pair.flaws).push_back(std::move(row));
  }
  check_access(files, pair.ca, pair);
  return pair;
}

// "a.example.com" for "a.example.com" and "*.example.com", as Foreman compares (foreman app/controllers/concerns/foreman/controller/smart_proxy_auth.rb).
bool stands_for(const std::string& name, const std::string& host) {
  if (name == host) return true;
  const auto dot = host.find('.');
  return name.starts_with("*.") && dot != std::string::npos && host.substr(dot) == name.substr(1);
}

std::vector<std::string> without_repeats(std::initializer_list<std::string> values) {
  std::vector<std::string> found;
  for (const std::string& value : values) {
    if (!value.empty() && std::find(found.begin(), found.end(), value) == found.end()) found.push_back(value);
  }
  return found;
}

// Foreman's web server verifies the certificate, then Foreman looks for the proxy that it names: one of its alternative names, else its
// CN, has to be the host of the URL under which the proxy is registered.
CertificatePair towards_foreman(const Examiner& examiner, std::string name, const Files& files, const PairQuestion& question, const std::string& setting) {
  CertificatePair pair = examiner.examine(std::move(name), files, Role::kClient, "", setting);
  const auto names = examiner.look({files.certificate, "", {}}, "", Role::kClient, "").names;
  const std::string& host = question.registered_as;
  if (names.empty() || host.empty()) return pair;
  if (std::any_of(names.begin(), names.end(), [&](const std::string& each) { return stands_for(each, host); })) return pair;
  pair.flaws.push_back({fmt::format("Foreman takes it for {}, and the proxy is registered as {}: callbacks are refused with 403", fmt::join(names, ", "), host),
                        fmt::format("issue a certificate with subjectAltName=DNS:{0}, or hammer settings set --name trusted_hosts --value '[{1}]'", host, names.front())});
  return pair;
}

void add_core_pairs(const Site& site, const PairQuestion& question, const Examiner& examiner, std::vector<CertificatePair>& pairs) {
  const settings::GlobalSettings& global = *site.global;
  const settings::CoreServiceSettings& core = *site.sidecar;
  if (core.foreman_ssl_cert && core.foreman_url.starts_with("https://")) {
    pairs.push_back(towards_foreman(examiner, "core service to Foreman",
                                    {*core.foreman_ssl_cert, core.foreman_ssl_key.value_or(""),
                                     without_repeats({core.foreman_ssl_ca.value_or(""), core.ssl_ca_file.value_or(""), global.ssl_ca_file.value_or(""),
                                                      global.foreman_ssl_ca.value_or("")}), question.crl_file},
                                    question, place_of(core.values, {"foreman_ssl_cert", "ssl_certificate"})));
  }
  if (!core.use_https || !core.ssl_certificate) return;
  pairs.push_back(examiner.examine("proxy to core service: the core's certificate",
                                   {*core.ssl_certificate, core.ssl_private_key.value_or(""), without_repeats({global.foreman_ssl_ca.value_or("")})},
                                   Role::kServer, site.dynflow ? host_of(site.dynflow->core_url) : "", core.values.place("ssl_certificate")));
  const std::string shown_file = global.foreman_ssl_cert.value_or("");
  if (shown_file.empty()) return;
  pairs.push_back(examiner.examine("proxy to core service: the proxy's certificate",
                                   {shown_file, global.foreman_ssl_key.value_or(""), without_repeats({core.ssl_ca_file.value_or("")})}, Role::kClient, "",
                                   place_of(global.values, {"foreman_ssl_cert", "ssl_certificate"})));
  if (!core.proxy_names.empty() || !core.proxy_keys.empty()) {
    const auto certificate = net::PeerCertificate::from_file(site.layout.real(shown_file).string());
    if (certificate && !net::CertificatePins::of(core.proxy_names, core.proxy_keys).admit(**certificate)) {
      pairs.back().flaws.push_back({fmt::format("the core service does not take {} (key {}) for the proxy", (*certificate)->subject(), (*certificate)->key_pin()),
                                    "add its name to :proxy_names: or its key to :proxy_keys: of the core service and reload it"});
    }
    return;
  }
  // The core service takes the one serial number of its own Foreman certificate
  // (smart_proxy_dynflow_core 0.3.3, lib/smart_proxy_dynflow_core/helpers.rb).
  const std::string expected = core.foreman_ssl_cert.value_or(*core.ssl_certificate);
  const std::string shown = examiner.look({shown_file, "", {}}, "", Role::kClient, "").serial;
  const std::string wanted = examiner.look({expected, "", {}}, "", Role::kClient, "").serial;
  if (shown.empty() || wanted.empty() || shown == wanted) return;
  pairs.back().flaws.push_back({fmt::format("the core service accepts serial {} ({}), the proxy shows {} ({})", wanted, expected, shown, shown_file),
                                fmt::format("dynflow-migrate config set foreman_ssl_cert {} --file core  # and its key; then restart the core service", shown_file)});
}

Json rows_of(const std::vector<PairFlaw>& flaws) {
  Json rows = Json::array();
  for (const PairFlaw& flaw : flaws) rows.push_back({{"what", flaw.what}, {"mend", flaw.mend}});
  return rows;
}

Result<ExitCode> run_check(Context& context) {
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  const Site site = read_site(layout, *services);
  if (!site.problems.empty()) return Error(Code::kInvalid, site.problems.front());
  PairQuestion question = question_of(site, site.sidecar.has_value());
  if (context.arguments.has("registered-as")) question.registered_as = context.arguments.get("registered-as");
  if (context.arguments.has("crl")) question.crl_file = context.arguments.get("crl");
  if (context.arguments.has("user")) {
    question.service = find_user(context.arguments.get("user"));
    if (!question.service) return Error(Code::kNotFound, fmt::format("--user: there is no user '{}'", context.arguments.get("user")));
  }
  Json rows = Json::array();
  bool is_good = true;
  bool has_hints = false;
  for (const CertificatePair& pair : examine_pairs(site, question)) {
    rows.push_back({{"pair", pair.name}, {"file", pair.file}, {"setting", pair.setting}, {"ca", pair.ca}, {"flaws", rows_of(pair.flaws)}, {"hints", rows_of(pair.hints)}});
    context.output.say(fmt::format("{} {}: {} ({})", pair.flaws.empty() ? "ok  " : "FAIL", pair.name, pair.file, pair.setting));
    for (const PairFlaw& flaw : pair.flaws) context.output.say(fmt::format("       {}\n         mend: {}", flaw.what, flaw.mend));
    for (const PairFlaw& hint : pair.hints) context.output.say(fmt::format("       soon: {}\n         mend: {}", hint.what, hint.mend));
    is_good = is_good && pair.flaws.empty();
    has_hints = has_hints || !pair.hints.empty();
  }
  if (rows.empty()) context.output.say("the settings name no certificates");
  context.output.document()["registered_as"] = question.registered_as;
  context.output.document()["pairs"] = std::move(rows);
  if (!is_good) return ExitCode::kError;
  return has_hints ? ExitCode::kWarnings : ExitCode::kFine;
}

constexpr std::array kOptions = {
    Option{"registered-as", OptionKind::kValue, "HOST", "The host in the URL under which Foreman knows this proxy; default: this host's name"},
    Option{"crl", OptionKind::kValue, "FILE", "Revocations that Foreman's web server knows; default: Puppet's list, when it is there"},
    Option{"user", OptionKind::kValue, "NAME", "Who has to be able to read the files; default: foreman-proxy, when there is one"}};

constexpr std::array kCommands = {
    Command{"certs check", "Examine each certificate as its peer will, and say how to mend it", kOptions, run_check},
};

}  // namespace

PairQuestion question_of(const Site& site, bool is_external) {
  PairQuestion question;
  question.is_external = is_external;
  std::error_code ignored;
  for (const char* list : kRevocations) {
    if (question.crl_file.empty() && std::filesystem::exists(site.layout.real(list), ignored)) question.crl_file = list;
  }
  if (!site.layout.is_live()) return question;
  question.registered_as = own_host_name();
  question.service = find_user(std::string(kServiceUser));
  return question;
}

std::vector<CertificatePair> examine_pairs(const Site& site, const PairQuestion& question) {
  std::vector<CertificatePair> pairs;
  if (!site.global) return pairs;
  const Examiner examiner(site, question);
  const settings::GlobalSettings& global = *site.global;
  const std::string foreman_ca = global.foreman_ssl_ca.value_or("");
  const std::string own_ca = global.ssl_ca_file.value_or("");
  if (global.has_https()) {
    // Foreman verifies with a CA file of its own: the authority of its client certificate, which the proxy knows as its CA, or that of its
    // server certificate.
    pairs.push_back(examiner.examine("Foreman to proxy", {*global.ssl_certificate, *global.ssl_private_key, without_repeats({own_ca, foreman_ca})}, Role::kServer,
                                     question.registered_as, global.values.place("ssl_certificate")));
  }
  if (global.foreman_ssl_cert && global.foreman_url && global.foreman_url->starts_with("https://")) {
    pairs.push_back(towards_foreman(examiner, "proxy to Foreman",
                                    {*global.foreman_ssl_cert, global.foreman_ssl_key.value_or(""), without_repeats({own_ca, foreman_ca}), question.crl_file},
                                    question, place_of(global.values, {"foreman_ssl_cert", "ssl_certificate"})));
  }
  if (question.is_external && site.sidecar) add_core_pairs(site, question, examiner, pairs);
  return pairs;
}

std::span<const Command> certificate_commands() { return kCommands; }

}  // namespace dynflow::migration
