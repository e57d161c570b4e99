// smart-proxy: the Foreman Smart Proxy that runs jobs.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "proxy/host/version.h"
#include "proxy/program.h"
#include "shared/log/setup.h"

int main(int argc, char** argv) {
  using namespace dynflow::proxy;
  CLI::App app("Foreman Smart Proxy with Dynflow: runs the jobs that Foreman sends.", "smart-proxy");
  std::string config_dir = "/etc/foreman-proxy";
  app.add_option("--config-dir", config_dir, "Folder with settings.yml and settings.d/")->capture_default_str()->type_name("DIR");
  app.set_version_flag("--version", fmt::format("smart-proxy {} (speaks Smart Proxy {} and smart_proxy_dynflow {})",
                                                kProductVersion, kHostVersion, kDynflowVersion));
  CLI11_PARSE(app, argc, argv);
  const int status = run(config_dir);
  dynflow::log::finish(std::chrono::seconds(1));
  return status;
}
