#include "tests/unit/shared/persistence/postgres/cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "shared/base/fd.h"
#include "shared/persistence/postgres/postgres_store.h"

namespace dynflow::persistence {
namespace {

// Debian keeps them out of the way.
std::string program(const std::string& name) {
  namespace fs = std::filesystem;
  std::vector<fs::path> folders;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) folders.push_back(entry.path() / "bin");
  folders.emplace_back("/usr/bin");
  for (const fs::path& folder : folders) {
    if (fs::exists(folder / name)) return folder / name;
  }
  FAIL("no " << name << ": install the package postgresql");
  return {};
}

// The server refuses to run as root.
const passwd* unprivileged_user() {
  if (::geteuid() != 0) return nullptr;
  const passwd* user = ::getpwnam("postgres");
  return user != nullptr ? user : ::getpwnam("nobody");
}

int free_port() {
  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ::ntohs(address.sin_port);
}

// Runs a program as the owner of the cluster, its words going to `log`.
int run(const std::vector<std::string>& arguments, const std::string& log) {
  const passwd* user = unprivileged_user();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    if (user != nullptr && (::setgid(user->pw_gid) != 0 || ::setuid(user->pw_uid) != 0)) ::_exit(126);
    const int words = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(words, STDOUT_FILENO);
    ::dup2(words, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

Cluster& Cluster::get() {
  static Cluster cluster;
  return cluster;
}

Cluster::Cluster() : port_(free_port()) {
  folder_ = (std::filesystem::temp_directory_path() / "dynflow-postgres-XXXXXX").string();
  REQUIRE(::mkdtemp(folder_.data()) != nullptr);
  data_ = folder_ + "/data";
  if (const passwd* user = unprivileged_user()) REQUIRE(::chown(folder_.c_str(), user->pw_uid, user->pw_gid) == 0);
  REQUIRE(run({program("initdb"), "--pgdata", data_, "--username", "dynflow", "--auth", "trust", "--encoding", "UTF8", "--locale",
               "C.UTF-8", "--no-sync"},
              folder_ + "/initdb.log") == 0);
  std::ofstream(data_ + "/postgresql.conf", std::ios::app)
      << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = ''\n"
      << "shared_buffers = 32MB\nmax_connections = 60\nlog_min_messages = warning\n";
  start();
}

Cluster::~Cluster() {
  if (is_running_) run({program("pg_ctl"), "--pgdata", data_, "--mode", "immediate", "stop"}, folder_ + "/pg_ctl.log");
  std::error_code ignored;  // a folder that stays in the system's place for such is no failure of the test
  std::filesystem::remove_all(folder_, ignored);
}

void Cluster::start() {
  if (is_running_) return;
  REQUIRE(run({program("pg_ctl"), "--pgdata", data_, "--log", folder_ + "/server.log", "--wait", "start"},
              folder_ + "/pg_ctl.log") == 0);
  is_running_ = true;
}

void Cluster::stop(const std::string& mode) {
  REQUIRE(run({program("pg_ctl"), "--pgdata", data_, "--mode", mode, "--wait", "stop"}, folder_ + "/pg_ctl.log") == 0);
  is_running_ = false;
}

std::string Cluster::make_schema() {
  std::string schema = fmt::format("test_{}", ++schemas_);
  execute("CREATE SCHEMA " + schema);
  return schema;
}

std::string Cluster::url(const std::string& schema, int port) const {
  return fmt::format("postgresql://dynflow@127.0.0.1:{}/postgres?sslmode=disable&options=-csearch_path%3D{}",
                     port == 0 ? port_ : port, schema);
}

std::string Cluster::execute(const std::string& sql, const std::string& schema) const {
  const std::unique_ptr<PGconn, void (*)(PGconn*)> connection(PQconnectdb(url(schema).c_str()), PQfinish);
  INFO(PQerrorMessage(connection.get()));
  REQUIRE(PQstatus(connection.get()) == CONNECTION_OK);
  const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(connection.get(), sql.c_str()), PQclear);
  INFO(PQresultErrorMessage(result.get()));
  const ExecStatusType status = PQresultStatus(result.get());
  REQUIRE((status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

std::unique_ptr<Store> open_store(const std::string& url, std::size_t readers) {
  StoreOptions options;
  options.database = url;
  options.reader_count = readers;
  auto store = open_postgres_store(options);
  INFO((store.ok() ? std::string() : store.error().message()));
  REQUIRE(store.ok());
  return std::move(*store);
}

std::unique_ptr<Store> open_started(const std::string& url) {
  auto store = open_store(url);
  REQUIRE(store->start().ok());
  return store;
}

}  // namespace dynflow::persistence
