// smart_proxy_dynflow_core: the Dynflow core as a service of its own, beside the proxy that relays to it.
#include <CLI/CLI.hpp>

#include "core_service/service.h"
#include "shared/log/setup.h"

int main(int argc, char** argv) {
  using namespace dynflow::core_service;
  CLI::App app("Standalone Dynflow core: runs the jobs that a Smart Proxy relays to it.", "smart_proxy_dynflow_core");
  CommandLine command_line;
  app.add_option("-c,--config-dir", command_line.config_dir, "Configuration folder; read after the standard ones")->type_name("DIR");
  app.add_flag("-1,--one-config", command_line.is_one_config, "Read the last configuration folder that exists, not all");
  bool daemonize = false;
  const CLI::Option* daemonize_option =
      app.add_flag("-d,--daemonize,!--no-daemonize", daemonize, "Go to the background, or do not");
  app.add_option("-p,--pid-file", command_line.pid_file, "Pid file of the background process")->type_name("FILE");
  app.set_version_flag("--version", "smart_proxy_dynflow_core " PRODUCT_VERSION);
  CLI11_PARSE(app, argc, argv);
  if (daemonize_option->count() > 0) command_line.daemonize = daemonize;
  const int status = run(command_line);
  dynflow::log::finish(std::chrono::seconds(1));
  return status;
}
