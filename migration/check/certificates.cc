#include "migration/check/certificates.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <initializer_list>

#include "shared/base/clock.h"
#include "shared/json/json.h"
#include "shared/net/certificate_examination.h"
#include "shared/net/certificate_pins.h"

namespace dynflow::migration {

namespace {

using net::CertificateFlaw;
using net::CertificateQuestion;

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::string host_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('/'));
  if (url.starts_with('[')) return std::string(url.substr(1, url.find(']') - 1));
  return std::string(url.substr(0, url.rfind(':')));
}

std::string mend_for(CertificateFlaw::Kind kind, const std::string& certificate, const std::string& ca, const std::string& host) {
  switch (kind) {
    case CertificateFlaw::Kind::kUnreadable: return fmt::format("ls -lL {0}; chown root:foreman-proxy {0}; chmod 0640 {0}", certificate);
    case CertificateFlaw::Kind::kKeyMismatch: return fmt::format("openssl x509 -noout -pubkey -in {}  # compare with openssl pkey -pubout of the key", certificate);
    case CertificateFlaw::Kind::kUntrusted: return fmt::format("openssl verify -CAfile {} {}  # then add the issuer to the CA file", ca, certificate);
    case CertificateFlaw::Kind::kWrongName: return fmt::format("issue a certificate with subjectAltName=DNS:{}", host);
    case CertificateFlaw::Kind::kWrongPurpose: return "issue a certificate with extendedKeyUsage=serverAuth,clientAuth";
    default: return fmt::format("openssl x509 -noout -dates -in {}  # then issue a new one", certificate);
  }
}

// The first of the keys that the file has.
std::string place_of(const settings::Values& values, std::initializer_list<std::string_view> keys) {
  for (const std::string_view key : keys) {
    if (values.find_string(key)) return values.place(key);
  }
  return "default";
}

CertificatePair examine(const Site& site, std::string name, CertificateQuestion question, const std::string& setting) {
  CertificatePair pair{std::move(name), question.certificate_file, site_path(site.layout, setting), {}, {}, ""};
  const CertificateQuestion named = question;
  for (std::string* file : {&question.certificate_file, &question.key_file, &question.ca_file}) {
    if (!file->empty()) *file = site.layout.real(*file).string();
  }
  for (const CertificateFlaw& flaw : net::examine_certificate(question, system_clock().now()).flaws) {
    const std::string text = site_path(site.layout, flaw.text);
    if (flaw.kind == CertificateFlaw::Kind::kExpiresSoon) {
      pair.hints.push_back(text);
      continue;
    }
    pair.flaws.push_back(text);
    if (pair.mend.empty()) pair.mend = mend_for(flaw.kind, named.certificate_file, named.ca_file, named.host);
  }
  return pair;
}

void add_core_pairs(const Site& site, std::vector<CertificatePair>& pairs) {
  const settings::GlobalSettings& global = *site.global;
  const settings::CoreServiceSettings& core = *site.sidecar;
  const std::string relay_ca = global.foreman_ssl_ca.value_or("");
  const std::string relay_certificate = global.foreman_ssl_cert.value_or("");
  if (!core.use_https || !core.ssl_certificate) return;
  const std::string core_host = site.dynflow ? host_of(site.dynflow->core_url) : "";
  pairs.push_back(examine(site, "proxy to core service: the core's certificate",
                          {*core.ssl_certificate, core.ssl_private_key.value_or(""), relay_ca, CertificateQuestion::Role::kServer, core_host},
                          core.values.place("ssl_certificate")));
  if (relay_certificate.empty()) return;
  pairs.push_back(examine(site, "proxy to core service: the proxy's certificate",
                          {relay_certificate, global.foreman_ssl_key.value_or(""), core.ssl_ca_file.value_or(""), CertificateQuestion::Role::kClient, ""},
                          place_of(global.values, {"foreman_ssl_cert", "ssl_certificate"})));
  if (!core.proxy_names.empty() || !core.proxy_keys.empty()) {
    const auto shown = net::PeerCertificate::from_file(site.layout.real(relay_certificate).string());
    if (shown && !net::CertificatePins::of(core.proxy_names, core.proxy_keys).admit(**shown)) {
      pairs.back().flaws.push_back(fmt::format("the core service does not take {} (key {}) for the proxy", (*shown)->subject(), (*shown)->key_pin()));
      pairs.back().mend = "add its name to :proxy_names: or its key to :proxy_keys: of the core service and reload it";
    }
    return;
  }
  // The Ruby core takes the one serial number of its own Foreman certificate
  // (smart_proxy_dynflow_core 0.3.3, lib/smart_proxy_dynflow_core/helpers.rb).
  const std::string expected = core.foreman_ssl_cert.value_or(*core.ssl_certificate);
  const auto serial = [&](const std::string& file) {
    return net::examine_certificate({site.layout.real(file).string(), "", "", CertificateQuestion::Role::kClient, ""}, system_clock().now()).serial;
  };
  const std::string shown = serial(relay_certificate);
  const std::string wanted = serial(expected);
  if (!shown.empty() && !wanted.empty() && shown != wanted) {
    pairs.back().flaws.push_back(fmt::format("a Ruby core service accepts serial {} ({}), the proxy shows {} ({})", wanted, expected, shown, relay_certificate));
    pairs.back().mend = "name the same certificate as :foreman_ssl_cert: in both files and restart the core service";
  }
}

Result<ExitCode> run_check(Context& context) {
  const Layout layout = Layout::of(context.options);
  const auto services = services_of(layout);
  const Site site = read_site(layout, *services);
  if (!site.problems.empty()) return Error(Code::kInvalid, site.problems.front());
  Json rows = Json::array();
  bool is_good = true;
  bool has_hints = false;
  for (const CertificatePair& pair : examine_pairs(site, site.sidecar.has_value())) {
    rows.push_back({{"pair", pair.name}, {"file", pair.file}, {"setting", pair.setting}, {"flaws", pair.flaws}, {"hints", pair.hints}, {"mend", pair.mend}});
    context.output.say(fmt::format("{} {}: {} ({})", pair.flaws.empty() ? "ok  " : "FAIL", pair.name, pair.file, pair.setting));
    for (const std::string& flaw : pair.flaws) context.output.say("       " + flaw);
    for (const std::string& hint : pair.hints) context.output.say("       soon: " + hint);
    if (!pair.mend.empty()) context.output.say("       mend: " + pair.mend);
    is_good = is_good && pair.flaws.empty();
    has_hints = has_hints || !pair.hints.empty();
  }
  if (rows.empty()) context.output.say("the settings name no certificates");
  context.output.document()["pairs"] = std::move(rows);
  if (!is_good) return ExitCode::kError;
  return has_hints ? ExitCode::kWarnings : ExitCode::kFine;
}

constexpr std::array kCommands = {
    Command{"certs check", "Examine each certificate as its peer will, and say how to mend it", {}, run_check},
};

}  // namespace

std::vector<CertificatePair> examine_pairs(const Site& site, bool is_external) {
  std::vector<CertificatePair> pairs;
  if (!site.global) return pairs;
  const settings::GlobalSettings& global = *site.global;
  if (global.has_https()) {
    pairs.push_back(examine(site, "Foreman to proxy",
                            {*global.ssl_certificate, *global.ssl_private_key, *global.ssl_ca_file, CertificateQuestion::Role::kServer,
                             site.layout.is_live() ? host_name() : ""},
                            global.values.place("ssl_certificate")));
  }
  if (global.foreman_ssl_cert && global.foreman_url && global.foreman_url->starts_with("https://")) {
    // Foreman verifies with its own copy of the CA, which is the proxy's unless it has another for Foreman.
    pairs.push_back(examine(site, "proxy to Foreman",
                            {*global.foreman_ssl_cert, global.foreman_ssl_key.value_or(""), global.foreman_ssl_ca.value_or(""), CertificateQuestion::Role::kClient, ""},
                            place_of(global.values, {"foreman_ssl_cert", "ssl_certificate"})));
  }
  if (is_external && site.sidecar) add_core_pairs(site, pairs);
  return pairs;
}

std::span<const Command> certificate_commands() { return kCommands; }

}  // namespace dynflow::migration
