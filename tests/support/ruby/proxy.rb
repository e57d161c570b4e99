# Starts the Ruby smart-proxy with its dynflow and ssh plugins from source folders on the load path, without Bundler.
# The argument is the folder with settings.yml.
require 'bundler_helper'

# Called after the proxy's own classes are there and before it reads its settings, for whose place it has no option.
Proxy::BundlerHelper.define_singleton_method(:require_groups) do |*|
  file = File.join(ARGV.fetch(0), 'settings.yml')
  Proxy::Settings.singleton_class.prepend(Module.new { define_method(:initialize_global_settings) { |*| super(file) } })
  require 'smart_proxy_dynflow'
  require 'smart_proxy_remote_execution_ssh'
end
$stdout.sync = true
require 'smart_proxy_main'
Proxy::Launcher.new.launch
