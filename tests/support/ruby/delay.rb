# Puts script jobs that wait for their time into a sidecar's database, as a Dynflow client of the time does.
# Arguments: database (as the adapter names it), JSON of [{"start_at": seconds from now, "input": {...}}]. Prints the ids.
require 'json'
require 'logger'
require 'dynflow'
require 'smart_proxy_dynflow_core/launcher'
require 'smart_proxy_dynflow_core'
require 'foreman_remote_execution_core'

config = Dynflow::Config.new
config.persistence_adapter = Dynflow::PersistenceAdapters::Sequel.new(ARGV.fetch(0))
config.logger_adapter = Dynflow::LoggerAdapters::Simple.new($stderr, Logger::ERROR)
config.executor = nil
config.delayed_executor = nil
config.auto_terminate = false
world = Dynflow::World.new(config)
ids = JSON.parse(ARGV.fetch(1)).map do |row|
  world.delay(ForemanRemoteExecutionCore::Actions::RunScript, { :start_at => Time.now + row['start_at'] }, row['input']).execution_plan_id
end
puts JSON.dump(ids)
world.terminate.wait
