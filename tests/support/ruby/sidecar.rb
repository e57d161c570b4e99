# Starts the Ruby smart_proxy_dynflow_core from source folders on the load path, without Bundler.
# The argument is the folder with settings.yml.
require 'dynflow'
require 'rack'
require 'smart_proxy_dynflow_core/launcher'

SmartProxyDynflowCore::BundlerHelper.define_singleton_method(:require_groups) do |*|
  require 'smart_proxy_dynflow_core'
  require 'foreman_remote_execution_core'
end
$stdout.sync = true
SmartProxyDynflowCore::Launcher.launch!(:config_dir => ARGV.fetch(0), :one_config => true, :daemonize => false)
