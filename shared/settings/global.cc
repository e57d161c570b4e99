#include "shared/settings/global.h"

#include <array>
#include <cstdlib>
#include <filesystem>

namespace dynflow::settings {

namespace {

std::optional<std::string> check_ring_size(const Node& value) {
  if (const auto size = value.type == NodeType::kInt ? value.integer : std::atoll(value.text.c_str());
      size > 1 && size <= 1'000'000) {
    return std::nullopt;
  }
  return "must be between 2 and 1000000";
}

std::optional<std::string> check_rolling_age(const Node& value) {
  const std::string text = scalar_text(value);
  const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
  if (is_number || text == "daily" || text == "weekly" || text == "monthly") return std::nullopt;
  return "must be daily, weekly, monthly or a number of seconds";
}

constexpr std::array kSettings = {
    Setting{"settings_directory", Type::kPath, "", "Folder of the files of the modules; default: `settings.d` beside this file.", Null::kRefused},
    Setting{"ssl_certificate", Type::kPath, "", "Certificate of the HTTPS listener, which exists when the key and the CA file are named, too."},
    Setting{"ssl_private_key", Type::kPath, "", "Private key of the HTTPS listener."},
    Setting{"ssl_ca_file", Type::kPath, "", "CA that client certificates are checked with."},
    Setting{"ssl_disabled_ciphers", Type::kList, "[]", "OpenSSL names of ciphers that are not offered."},
    Setting{"tls_disabled_versions", Type::kVersions, "[]", "TLS versions that are not offered, such as `1.2`."},
    Setting{"trusted_hosts", Type::kList, "", "Hosts that may use the proxy; without this key no host is checked, an empty list refuses everybody."},
    Setting{"metrics_hosts", Type::kList, "[]", "Hosts that may read `/metrics`, and nothing else, besides those that may use the proxy."},
    Setting{"forward_verify", Type::kBool, "true", "Whether the name of an HTTP client must resolve back to its address.", Null::kRefused},
    Setting{"foreman_url", Type::kString, "", "Base URL of Foreman, for callbacks.", Null::kUnsets, {}, check_http_url},
    Setting{"foreman_ssl_ca", Type::kPath, "", "CA that Foreman's certificate is checked with; default: `:ssl_ca_file:`."},
    Setting{"foreman_ssl_cert", Type::kPath, "", "Client certificate towards Foreman; default: `:ssl_certificate:`."},
    Setting{"foreman_ssl_key", Type::kPath, "", "Its private key; default: `:ssl_private_key:`."},
    Setting{"bind_host", Type::kList, "['*']", "Addresses to listen on; `*` is all of IPv4 and IPv6.", Null::kRefused},
    Setting{"http_port", Type::kPort, "", "Port of the HTTP listener, which exists when this is set."},
    Setting{"https_port", Type::kPort, "8443", "Port of the HTTPS listener.", Null::kRefused},
    kConnectionLimitSettings[0],
    kConnectionLimitSettings[1],
    Setting{"log_file", Type::kPath, "/var/log/foreman-proxy/proxy.log", "A file, or `STDOUT`, `SYSLOG` or `JOURNAL`.", Null::kRefused},
    Setting{"log_level", Type::kString, "INFO", "`DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.", Null::kRefused, {}, check_log_level},
    Setting{"file_rolling_size", Type::kInt, "0", "Size in MiB from which on the log file is rolled; 0: never, as with logrotate.", Null::kDefault, {}, check_not_negative},
    Setting{"file_rolling_age", Type::kScalar, "weekly", "Age at which it is rolled, when a size is set: seconds, `daily`, `weekly` or `monthly`.", Null::kDefault, {}, check_rolling_age},
    Setting{"file_rolling_keep", Type::kInt, "6", "How many rolled files are kept.", Null::kDefault, {}, check_not_negative},
    Setting{"file_logging_pattern", Type::kString, "'%d %.8X{request} [%.1l] %m'", "Layout of records in files and on standard output.", Null::kRefused},
    Setting{"system_logging_pattern", Type::kString, "'%m'", "Layout of records in syslog and the journal.", Null::kRefused},
    Setting{"log_buffer", Type::kInt, "2000", "How many records `/logs` remembers.", Null::kRefused, {}, check_ring_size},
    Setting{"log_buffer_errors", Type::kInt, "1000", "How many older errors it remembers beyond these.", Null::kRefused, {}, check_ring_size},
    Setting{"state_directory", Type::kPath, "", "Folder for what the proxy remembers across restarts, such as its mode; default: the environment's `STATE_DIRECTORY`, else `/var/lib/foreman-proxy`."},
    Setting{"shutdown_grace", Type::kInt, "10", "Seconds that requests under way get at a stop; those that take longer are answered with 503.", Null::kDefault, {}, check_not_negative},
    Setting{"dns_resolv_timeouts", Type::kNumbers, "[5, 8, 13]", "Seconds to wait for a DNS answer, try by try."},
};

constexpr std::array kRetired = {
    RetiredSetting{"daemon", "the program stays in the foreground, as systemd wants it (removed in Foreman 3.5)."},
    RetiredSetting{"daemon_pid", "there is no pid file (removed in Foreman 3.5)."},
};

constexpr std::array<std::string_view, 17> kAtReload = {
    "ssl_certificate", "ssl_private_key", "ssl_ca_file", "ssl_disabled_ciphers", "tls_disabled_versions", "trusted_hosts",
    "metrics_hosts", "forward_verify", "dns_resolv_timeouts", "log_file", "log_level", "file_rolling_size", "file_rolling_age", "file_rolling_keep",
    "file_logging_pattern", "system_logging_pattern", "shutdown_grace"};

constexpr std::array<std::string_view, 4> kAtNewSide = {"foreman_url", "foreman_ssl_ca", "foreman_ssl_cert", "foreman_ssl_key"};

constexpr Table kTable{"settings.yml", "/etc/foreman-proxy", "Settings of the proxy itself.", kSettings, kRetired, kAtReload, kAtNewSide};

// What systemd makes for us (StateDirectory=), or what packages make.
std::string default_state_directory() {
  const char* folder = std::getenv("STATE_DIRECTORY");
  const std::string folders = folder != nullptr ? folder : "";
  return folders.empty() ? "/var/lib/foreman-proxy" : folders.substr(0, folders.find(':'));
}

std::uint64_t non_negative(const Values& values, std::string_view key) {
  return static_cast<std::uint64_t>(values.get_int(key));
}

}  // namespace

const Table& global_table() { return kTable; }

Result<GlobalSettings> load_global(const std::string& path) {
  auto document = load_yaml(path);
  if (!document.ok()) return document.error();
  if (document->root.is_null()) return Error(Code::kInvalid, path + ":1: expected a map of settings, the file is empty");
  auto read = Values::read(kTable, document->root, StringKeys::kAccepted);
  if (!read.ok()) return read.error();
  const Values& values = *read;

  std::vector<double> timeouts;
  for (const std::string& text : values.get_list("dns_resolv_timeouts")) timeouts.push_back(std::strtod(text.c_str(), nullptr));
  const auto or_else = [&](std::string_view key, std::string_view other) {
    auto value = values.find_string(key);
    return value ? value : values.find_string(other);
  };
  auto foreman_url = values.find_string("foreman_url");
  if (foreman_url && foreman_url->back() != '/') *foreman_url += '/';
  const auto http_port = values.find_int("http_port");
  auto warnings = std::move(document->warnings);
  warnings.insert(warnings.end(), values.warnings().begin(), values.warnings().end());

  return GlobalSettings{
      .settings_directory = values.find_string("settings_directory")
                                .value_or((std::filesystem::path(path).parent_path() / "settings.d").string()),
      .ssl_certificate = values.find_string("ssl_certificate"),
      .ssl_private_key = values.find_string("ssl_private_key"),
      .ssl_ca_file = values.find_string("ssl_ca_file"),
      .ssl_disabled_ciphers = values.get_list("ssl_disabled_ciphers"),
      .tls_disabled_versions = values.get_list("tls_disabled_versions"),
      .trusted_hosts = values.find_list("trusted_hosts"),
      .metrics_hosts = values.get_list("metrics_hosts"),
      .forward_verify = values.get_bool("forward_verify"),
      .foreman_url = std::move(foreman_url),
      .foreman_ssl_ca = or_else("foreman_ssl_ca", "ssl_ca_file"),
      .foreman_ssl_cert = or_else("foreman_ssl_cert", "ssl_certificate"),
      .foreman_ssl_key = or_else("foreman_ssl_key", "ssl_private_key"),
      .bind_host = values.get_list("bind_host"),
      .http_port = http_port ? std::optional(static_cast<std::uint16_t>(*http_port)) : std::nullopt,
      .https_port = static_cast<std::uint16_t>(values.get_int("https_port")),
      .connection_limits = connection_limits(values),
      .log_file = values.get_string("log_file"),
      .log_level = log::parse_level(values.get_string("log_level")).value(),
      .file_rolling_size_mib = non_negative(values, "file_rolling_size"),
      .file_rolling_age = values.get_string("file_rolling_age"),
      .file_rolling_keep = non_negative(values, "file_rolling_keep"),
      .file_logging_pattern = values.get_string("file_logging_pattern"),
      .system_logging_pattern = values.get_string("system_logging_pattern"),
      .log_buffer = static_cast<std::size_t>(values.get_int("log_buffer")),
      .log_buffer_errors = static_cast<std::size_t>(values.get_int("log_buffer_errors")),
      .dns_resolv_timeouts = std::move(timeouts),
      .state_directory = values.find_string("state_directory").value_or(default_state_directory()),
      .shutdown_grace = std::chrono::seconds(values.get_int("shutdown_grace")),
      .values = values,
      .warnings = std::move(warnings),
  };
}

log::Options GlobalSettings::log_options(std::shared_ptr<log::Buffer> buffer) const {
  log::Options options;
  options.level = log_level;
  options.target = log_file;
  options.file_pattern = file_logging_pattern;
  options.system_pattern = system_logging_pattern;
  options.rolling_size = file_rolling_size_mib * 1024 * 1024;
  options.rolling_age = file_rolling_age;
  options.rolling_keep = file_rolling_keep;
  options.buffer = std::move(buffer);
  return options;
}

}  // namespace dynflow::settings
