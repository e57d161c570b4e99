#include "shared/settings/core_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "shared/base/base64.h"

#include "shared/settings/backup.h"

namespace dynflow::settings {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kDefaultDatabase = "/var/lib/foreman-proxy/dynflow/dynflow.sqlite";

std::optional<std::string> check_key_pins(const Node& value) {
  const bool is_list = value.type == NodeType::kList;
  for (const Node& item : is_list ? std::span<const Node>(value.items) : std::span<const Node>(&value, 1)) {
    const std::string text = scalar_text(item);
    constexpr std::string_view kScheme = "sha256//";
    const auto digest = text.starts_with(kScheme) ? base64_decode(std::string_view(text).substr(kScheme.size())) : std::nullopt;
    if (!digest || digest->size() != 32) return "must be keys like sha256//BASE64, the SHA-256 of a public key";
  }
  return std::nullopt;
}

constexpr std::array kSettings = {
    Setting{"database", Type::kPath, kDefaultDatabase, "SQLite file of the task store, or `postgresql://...`; present but empty: in memory. `DYNFLOW_DB_CONN_STRING` in the environment comes first."},
    Setting{"secrets_key_file", Type::kPath, "", "File with a key, mode 0600 or 0640: passwords of jobs that have not begun are then stored encrypted with it, so that a restart of the process does not lose them. Absent: they are in memory only. Read at the start."},
    Setting{"foreman_url", Type::kString, "https://127.0.0.1:3000", "Base URL of Foreman, for callbacks.", Null::kRefused, {}, check_http_url},
    Setting{"console_auth", Type::kBool, "true", "Whether the console asks for a client certificate.", Null::kRefused},
    Setting{"listen", Type::kString, "127.0.0.1", "Address to listen on; `*` is all of them.", Null::kRefused},
    Setting{"port", Type::kPort, "8008", "Port to listen on.", Null::kRefused},
    Setting{"use_https", Type::kBool, "false", "Whether to serve HTTPS."},
    Setting{"ssl_ca_file", Type::kPath, "", "CA that client certificates are checked with."},
    Setting{"ssl_certificate", Type::kPath, "", "Certificate of the listener."},
    Setting{"ssl_private_key", Type::kPath, "", "Its private key."},
    Setting{"ssl_disabled_ciphers", Type::kList, "[]", "OpenSSL names of ciphers that are not offered."},
    Setting{"tls_disabled_versions", Type::kVersions, "[]", "TLS versions that are not offered, such as `1.2`."},
    Setting{"foreman_ssl_ca", Type::kPath, "", "CA that Foreman's certificate is checked with; default: `:ssl_ca_file:`."},
    Setting{"foreman_ssl_cert", Type::kPath, "", "Client certificate towards Foreman; default: `:ssl_certificate:`."},
    Setting{"foreman_ssl_key", Type::kPath, "", "Its private key; default: `:ssl_private_key:`."},
    Setting{"proxy_names", Type::kList, "", "Names of the proxy: its client certificate has one of them as common name or DNS name. With this or `:proxy_keys:` the serial number of `:foreman_ssl_cert:` is not asked for."},
    Setting{"proxy_keys", Type::kList, "", "Public keys of the proxy as `sha256//BASE64`, the form of `curl --pinnedpubkey`.", Null::kUnsets, {}, check_key_pins},
    kConnectionLimitSettings[0],
    kConnectionLimitSettings[1],
    Setting{"log_file", Type::kPath, "/var/log/foreman-proxy/smart_proxy_dynflow_core.log", "A file, or `STDOUT`, `SYSLOG` or `JOURNAL`.", Null::kRefused},
    Setting{"log_level", Type::kString, ":ERROR", "`DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`.", Null::kRefused, {}, check_log_level},
    Setting{"pid_file", Type::kPath, "/var/run/foreman-proxy/smart_proxy_dynflow_core.pid", "Where a daemon writes its process id.", Null::kDefault},
    Setting{"daemonize", Type::kBool, "false", "Whether to go to the background."},
    Setting{"execution_plan_cleaner_age", Type::kInt, "86400", "Age in seconds after which finished tasks are deleted.", Null::kRefused, {}, check_positive},
    kBackupSettings[0],
    kBackupSettings[1],
    kRunnerLimitSettings[0],
    kRunnerLimitSettings[1],
    kRunnerLimitSettings[2],
    Setting{"file_logging_pattern", Type::kString, "'%d %.8X{request} [%.1l] %m'", "Layout of records in files and on standard output.", Null::kRefused},
    Setting{"system_logging_pattern", Type::kString, "'%.8X{request} [%.1l] %m'", "Layout of records in syslog and the journal.", Null::kRefused},
    Setting{"file_rolling_keep", Type::kInt, "6", "How many rolled files are kept.", Null::kDefault, {}, check_not_negative},
    Setting{"file_rolling_size", Type::kInt, "0", "Size in MiB from which on the log file is rolled; 0: never.", Null::kDefault, {}, check_not_negative},
    Setting{"file_rolling_age", Type::kScalar, "weekly", "Age at which it is rolled, when a size is set: seconds, `daily`, `weekly` or `monthly`.", Null::kDefault},
};

constexpr std::array<std::string_view, 14> kAtReload = {
    "proxy_names", "proxy_keys", "ssl_ca_file", "ssl_certificate", "ssl_private_key", "ssl_disabled_ciphers", "tls_disabled_versions", "log_file", "log_level",
    "file_logging_pattern", "system_logging_pattern", "file_rolling_keep", "file_rolling_size", "file_rolling_age"};

constexpr Table kTable{"smart_proxy_dynflow_core/settings.yml", "/etc", "Settings of the standalone core service.", kSettings, {}, kAtReload};

// The other names under which executors registered their settings.
struct Alias {
  std::string_view name;
  std::string_view alias;
};
constexpr std::array kAliases = {Alias{"remote_execution_ssh", "smart_proxy_remote_execution_ssh_core"}};

void merge(Node& base, const Node& over) {
  if (over.type != NodeType::kMap || base.type != NodeType::kMap) {
    if (!over.is_null()) base = over;
    return;
  }
  for (const Member& member : over.members) {
    // A symbol and a string of one name are the same setting here.
    const auto same = std::find_if(base.members.begin(), base.members.end(), [&](const Member& each) {
      return scalar_text(each.key) == scalar_text(member.key);
    });
    if (same == base.members.end()) {
      base.members.push_back(member);
    } else {
      *same = member;
    }
  }
}

std::vector<std::string> existing_directories(const CoreServiceOptions& options) {
  std::vector<std::string> found;
  std::vector<std::string> wanted = options.search_path;
  if (options.config_dir) wanted.push_back(*options.config_dir);
  std::error_code failure;
  for (const std::string& each : wanted) {
    std::string directory = expand_home(each);
    if (fs::is_directory(directory, failure)) found.push_back(std::move(directory));
  }
  if (options.is_one_config && found.size() > 1) found.erase(found.begin(), found.end() - 1);
  return found;
}

// The *.yml files of a folder, sorted as a glob sorts them.
std::vector<fs::path> yaml_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code failure;
  for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end; entry.increment(failure)) {
    if (entry->path().extension() == ".yml" && entry->path().filename().string()[0] != '.') files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void append(std::vector<std::string>& to, const std::vector<std::string>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

struct Files {
  Node root;
  std::map<std::string, CoreServiceSettings::Bag> bags;
  std::vector<std::string> warnings;
};

Result<Files> read_files(const std::vector<std::string>& directories) {
  Files files;
  bool has_settings = false;
  for (const std::string& directory : directories) {
    const std::string path = directory + "/settings.yml";
    auto document = load_yaml(path);
    if (document.ok()) {
      has_settings = true;
      append(files.warnings, document->warnings);
      merge(files.root, document->root);
    } else if (document.error().code() != Code::kNotFound) {
      return document.error();
    }
    for (const fs::path& file : yaml_files(fs::path(directory) / "settings.d")) {
      CoreServiceSettings::Bag& bag = files.bags[file.stem().string()];
      auto plugin = load_yaml(file.string());
      if (plugin.ok()) {
        append(files.warnings, plugin->warnings);
        merge(bag.root, plugin->root);
      } else {
        // The folder is shared with the proxy: most of its files are none of ours.
        files.warnings.push_back("skipped " + plugin.error().message());
        bag.error = plugin.error();
      }
    }
  }
  if (!has_settings) files.warnings.push_back("Couldn't find a settings.yml of the core. Using default settings.");
  return files;
}

}  // namespace

const Table& core_service_table() { return kTable; }

Result<CoreServiceSettings> load_core_service(const CoreServiceOptions& options) {
  std::vector<std::string> directories = existing_directories(options);
  auto files = read_files(directories);
  if (!files.ok()) return files.error();
  auto read = Values::read(kTable, files->root, StringKeys::kAccepted);
  if (!read.ok()) return read.error();
  const Values& values = *read;
  append(files->warnings, values.warnings());
  const auto or_else = [&](std::string_view key, std::string_view other) {
    auto value = values.find_string(key);
    return value ? value : values.find_string(other);
  };
  return CoreServiceSettings{
      .database = values.get_string("database"),
      .secrets_key_file = values.find_string("secrets_key_file"),
      .foreman_url = values.get_string("foreman_url"),
      .console_auth = values.get_bool("console_auth"),
      .listen = values.get_string("listen"),
      .port = static_cast<std::uint16_t>(values.get_int("port")),
      .use_https = values.get_bool("use_https"),
      .ssl_ca_file = values.find_string("ssl_ca_file"),
      .ssl_certificate = values.find_string("ssl_certificate"),
      .ssl_private_key = values.find_string("ssl_private_key"),
      .ssl_disabled_ciphers = values.get_list("ssl_disabled_ciphers"),
      .tls_disabled_versions = values.get_list("tls_disabled_versions"),
      .foreman_ssl_ca = or_else("foreman_ssl_ca", "ssl_ca_file"),
      .foreman_ssl_cert = or_else("foreman_ssl_cert", "ssl_certificate"),
      .foreman_ssl_key = or_else("foreman_ssl_key", "ssl_private_key"),
      .proxy_names = values.get_list("proxy_names"),
      .proxy_keys = values.get_list("proxy_keys"),
      .connection_limits = connection_limits(values),
      .log_file = values.get_string("log_file"),
      .log_level = log::parse_level(values.get_string("log_level")).value(),
      .pid_file = values.get_string("pid_file"),
      .is_daemonized = values.get_bool("daemonize"),
      .execution_plan_cleaner_age = std::chrono::seconds(values.get_int("execution_plan_cleaner_age")),
      .backup_folder = settings::backup_folder(values),
      .runner_limits = runner_limits(values),
      .directories = std::move(directories),
      .values = values,
      .warnings = std::move(files->warnings),
      .bags = std::move(files->bags),
  };
}

log::Options CoreServiceSettings::log_options() const {
  log::Options options;
  options.level = log_level;
  options.target = log_file;
  options.file_pattern = values.get_string("file_logging_pattern");
  options.system_pattern = values.get_string("system_logging_pattern");
  options.rolling_size = static_cast<std::uint64_t>(values.get_int("file_rolling_size")) * 1024 * 1024;
  options.rolling_age = values.get_string("file_rolling_age");
  options.rolling_keep = static_cast<std::uint64_t>(values.get_int("file_rolling_keep"));
  options.program = "smart_proxy_dynflow_core";
  return options;
}

Result<Values> CoreServiceSettings::bag(const Table& table) const {
  const std::string name = fs::path(table.file).stem().string();
  std::vector<std::string> names = {name};
  for (const Alias& alias : kAliases) {
    if (alias.name == name) names.emplace_back(alias.alias);
  }
  Node root;
  for (const std::string& each : names) {
    const auto found = bags.find(each);
    if (found == bags.end()) continue;
    if (found->second.error) return *found->second.error;
    merge(root, found->second.root);
  }
  return Values::read(table, root, StringKeys::kIgnored);
}

}  // namespace dynflow::settings
