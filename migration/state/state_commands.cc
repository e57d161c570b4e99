#include "migration/state/state_commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>

#include "migration/site/site.h"
#include "migration/state/transfer.h"
#include "shared/base/interrupt.h"
#include "shared/core/database_choice.h"
#include "shared/json/json.h"
#include "shared/persistence/postgres/postgres_store.h"
#include "shared/persistence/sqlite/sqlite_store.h"

namespace dynflow::migration {

namespace {

constexpr std::size_t kRefusedShown = 20;

constexpr Option kInspectOptions[] = {
    {"from", OptionKind::kValue, "DATABASE", "A file or postgresql://...; default: what the proxy uses"},
};
constexpr Option kExportOptions[] = {
    {"from", OptionKind::kValue, "DATABASE", "A file or postgresql://...; default: what the proxy uses"},
    {"to", OptionKind::kValue, "FILE", "The SQLite file to write", true},
    {"only-running", OptionKind::kFlag, "", "Leave finished plans out"},
    {"skip-refused", OptionKind::kFlag, "", "Go on without the plans that cannot be moved"},
};
constexpr Option kImportOptions[] = {
    {"from", OptionKind::kValue, "DATABASE", "A file or postgresql://...", true},
    {"to", OptionKind::kValue, "DATABASE", "A file or postgresql://...; default: what the proxy uses"},
    {"only-running", OptionKind::kFlag, "", "Leave finished plans out"},
    {"skip-refused", OptionKind::kFlag, "", "Go on without the plans that cannot be moved"},
};

// A URL without what may be its password.
std::string shown(const std::string& database) { return core::is_postgres(database) ? "PostgreSQL" : database; }

// What `option` says, or the database that the site's proxy uses.
Result<std::string> database_of(Context& context, std::string_view option) {
  if (context.arguments.has(option)) return context.arguments.get(option);
  const Layout layout = Layout::of(context.options);
  const Site site = read_site(layout, *services_of(layout));
  if (!site.problems.empty()) return Error(Code::kInvalid, site.problems.front()).in(fmt::format("--{} is not given", option));
  const std::string& database = site.proxy_database.value;
  if (database.empty()) return Error(Code::kInvalid, fmt::format("--{} is not given, and the proxy keeps tasks in memory ({})", option, site.proxy_database.origin));
  return core::is_postgres(database) ? database : layout.real(database).string();
}

// Ctrl-C ends the work between two plans, so that the copy of the source goes away.
TransferProgress progress_of(Context& context) {
  remember_interrupts();
  return [&output = context.output](std::size_t done, std::size_t total, std::string_view text) -> Status {
    output.progress(done, total, text);
    if (is_interrupted()) return Error(Code::kClosed, "interrupted; the same command goes on from here");
    return {};
  };
}

Json times_of(const Survey& survey) {
  std::optional<Time> oldest;
  std::optional<Time> newest;
  for (const PlanSummary& plan : survey.plans) {
    if (!plan.started_at) continue;
    if (!oldest || *plan.started_at < *oldest) oldest = plan.started_at;
    if (!newest || *plan.started_at > *newest) newest = plan.started_at;
  }
  const auto text = [](const std::optional<Time>& time) { return time ? Json(dynflow_time(*time)) : Json(nullptr); };
  return {{"oldest_start", text(oldest)}, {"newest_start", text(newest)}};
}

Json refused_of(const Survey& survey) {
  Json list = Json::array();
  for (const RefusedPlan& plan : survey.refused) list.push_back({{"id", plan.id}, {"state", plan.state}, {"reason", plan.reason}});
  return list;
}

void say_refused(Output& output, const Survey& survey) {
  std::size_t said = 0;
  for (const RefusedPlan& plan : survey.refused) {
    if (++said > kRefusedShown) {
      output.say(fmt::format("  and {} more; --json lists them all", survey.refused.size() - kRefusedShown));
      break;
    }
    output.say(fmt::format("  {} ({}): {}", plan.id, plan.state, plan.reason));
  }
}

Result<ExitCode> run_inspect(Context& context) {
  const auto database = database_of(context, "from");
  if (!database) return database.error();
  const TransferProgress progress = progress_of(context);
  const auto source = open_source(*database);
  if (!source) return source.error();
  const auto signs = (*source)->signs_of_life();
  if (!signs) return signs.error();
  const auto found = survey(**source, false, progress);
  if (!found) return found.error();
  context.output.end_progress();

  std::map<std::string, std::size_t> states;
  std::map<std::string, std::size_t> labels;
  for (const PlanSummary& plan : found->plans) {
    ++states[plan.state + (plan.state == "stopped" ? "/" + plan.result : "")];
    ++labels[plan.label.empty() ? "(none)" : plan.label];
  }
  Json& document = context.output.document();
  document["database"] = shown(*database);
  document["kind"] = (*source)->kind();
  document["plans"] = found->plans.size();
  document["states"] = states;
  document["labels"] = labels;
  document.update(times_of(*found));
  document["signs_of_life"] = *signs;
  document["with_secrets"] = found->with_secrets;
  document["callbacks"] = found->callbacks;
  document["refused"] = refused_of(*found);

  Output& output = context.output;
  output.say(fmt::format("{}: {}, {} plans", shown(*database), (*source)->kind(), found->plans.size()));
  for (const auto& [state, count] : states) output.say(fmt::format("  {:>8}  {}", count, state));
  output.say("by label:");
  for (const auto& [label, count] : labels) output.say(fmt::format("  {:>8}  {}", count, label));
  if (document["oldest_start"].is_string()) {
    output.say(fmt::format("started from {} to {} UTC", json::get_string(document, "oldest_start"), json::get_string(document, "newest_start")));
  }
  if (found->callbacks > 0) output.say(fmt::format("{} callbacks to Foreman are not delivered yet; they come along", found->callbacks));
  if (found->with_secrets > 0) output.say(fmt::format("{} plans hold secrets in their input; they are masked when moved", found->with_secrets));
  for (const std::string& sign : *signs) output.warn("in use, an export or import would be refused: " + sign);
  if (!found->refused.empty()) output.warn(fmt::format("{} plans cannot be moved:", found->refused.size()));
  say_refused(output, *found);
  return found->refused.empty() && signs->empty() ? ExitCode::kFine : ExitCode::kWarnings;
}

Result<std::unique_ptr<persistence::Store>> open_target(const std::string& database) {
  persistence::StoreOptions options;
  options.database = database;
  auto store = core::is_postgres(database) ? persistence::open_postgres_store(options) : persistence::open_sqlite_store(options);
  if (!store) return store.error();
  if (Status started = (*store)->start(); !started.ok()) return started.error();
  return store;
}

// Nothing: the plans may be moved. Else how the command ends.
Result<std::optional<ExitCode>> check_source(Context& context, PlanSource& source, const Survey& found) {
  const auto signs = source.signs_of_life();
  if (!signs) return signs.error();
  context.output.document()["signs_of_life"] = *signs;
  if (!signs->empty()) {
    for (const std::string& sign : *signs) context.output.warn("the source is in use, nothing was moved: " + sign);
    return std::optional(ExitCode::kJobsRun);
  }
  if (found.refused.empty()) return std::optional<ExitCode>();
  if (context.arguments.has("skip-refused")) {
    context.output.warn(fmt::format("{} plans are left out:", found.refused.size()));
    say_refused(context.output, found);
    return std::optional<ExitCode>();
  }
  context.output.warn(fmt::format("{} plans cannot be moved, nothing was moved; --skip-refused goes on without them:", found.refused.size()));
  say_refused(context.output, found);
  return std::optional(ExitCode::kError);
}

Result<ExitCode> move(Context& context, const std::string& from, const std::string& to) {
  if (auto fits = check_target(from, to); !fits) return fits.error();
  const TransferProgress progress = progress_of(context);
  auto source = open_source(from);
  if (!source) return source.error();
  Output& output = context.output;
  const auto found = survey(**source, context.arguments.has("only-running"), progress);
  if (!found) return found.error();
  output.end_progress();
  Json& document = output.document();
  document["from"] = shown(from);
  document["to"] = shown(to);
  document["kind"] = (*source)->kind();
  document["refused"] = refused_of(*found);
  document["finished_left_out"] = found->finished_left_out;
  document["with_secrets"] = found->with_secrets;
  const auto ends = check_source(context, **source, *found);
  if (!ends) return ends.error();
  if (ends->has_value()) return **ends;
  if (context.options.is_noop) {
    document["would_move"] = found->movable.size();
    output.say(fmt::format("would move {} plans from {} ({}) to {}", found->movable.size(), shown(from), (*source)->kind(), shown(to)));
    return ExitCode::kFine;
  }
  const auto target = open_target(to);
  if (!target) return target.error().in("target");
  const auto moved = transfer(**source, *found, **target, progress);
  (*target)->stop();
  output.end_progress();
  if (!moved) return moved.error();
  document["moved"] = moved->moved;
  document["already_there"] = moved->already_there;
  output.say(fmt::format("{} plans moved from {} ({}) to {}; {} were there already", moved->moved, shown(from), (*source)->kind(), shown(to),
                         moved->already_there));
  if (found->with_secrets > 0) output.say(fmt::format("the secrets in {} plans were masked", found->with_secrets));
  if (::geteuid() == 0 && !core::is_postgres(to)) output.say("the file belongs to root if it is new: give it to the service's user");
  if (!found->refused.empty()) return ExitCode::kWarnings;
  return moved->moved > 0 ? ExitCode::kChanged : ExitCode::kFine;
}

Result<ExitCode> run_export(Context& context) {
  const auto from = database_of(context, "from");
  if (!from) return from.error();
  const std::string to = context.arguments.get("to");
  if (core::is_postgres(to)) return Error(Code::kInvalid, "--to: an export is a file; `state import` writes to PostgreSQL");
  return move(context, *from, to);
}

Result<ExitCode> run_import(Context& context) {
  const auto to = database_of(context, "to");
  if (!to) return to.error();
  return move(context, context.arguments.get("from"), *to);
}

}  // namespace

std::span<const Command> state_commands() {
  static constexpr Command kCommands[] = {
      {"state inspect", "What a task database holds, and what of it cannot be moved", kInspectOptions, run_inspect},
      {"state export", "Copy tasks out of a database, Ruby's or ours, into a new file", kExportOptions, run_export},
      {"state import", "Copy tasks from a database or an export into a database of ours", kImportOptions, run_import},
  };
  return kCommands;
}

}  // namespace dynflow::migration
