#include "shared/engine/testing/action_driver.h"

#include <algorithm>
#include <utility>

namespace dynflow::engine::testing {

namespace {

const std::string kPlanId = "00000000-0000-4000-8000-000000000001";
constexpr int kRunStep = 2;

template <class Interface>
class Context : public Interface {
 public:
  Context(const Clock& clock, const std::string& action_class, const Json& secrets, Json& input)
      : clock_(clock), action_class_(action_class), secrets_(secrets), input_(input) {}

  World& world() override { throw ActionError("RuntimeError", "an action that is driven without a world has asked for it"); }
  const Clock& clock() override { return clock_; }
  const std::string& plan_id() const override { return kPlanId; }
  int action_id() const override { return 1; }
  const std::string& action_class() const override { return action_class_; }
  const std::string& caller_plan_id() const override { return no_caller_; }
  const Json& secrets() const override { return secrets_; }
  Json& input() override { return input_; }
  std::string request_id() const override { return json::get_string(input_, "current_request_id"); }

 private:
  const Clock& clock_;
  const std::string& action_class_;
  const Json& secrets_;
  Json& input_;
  const std::string no_caller_;
};

}  // namespace

class ActionDriver::PlanContext final : public Context<Planning> {
 public:
  explicit PlanContext(ActionDriver& driver)
      : Context(driver.clock_, driver.name_, driver.secrets_, driver.input_), driver_(driver) {}

  OutputReference plan_self(Json given) override {
    if (!given.is_object() && !given.is_null()) throw ActionError("TypeError", "input of " + driver_.name_ + " is no object");
    for (auto& [key, value] : given.items()) input()[key] = std::move(value);
    driver_.has_run_step_ = driver_.class_->has_run;
    driver_.has_finalize_step_ = driver_.class_->has_finalize;
    return {kPlanId, driver_.has_run_step_ ? kRunStep : 0, 1, {}};
  }
  OutputReference plan_action(std::string_view action_class, Json args) override {
    driver_.planned_actions_.push_back({std::string(action_class), std::move(args)});
    const int number = static_cast<int>(driver_.planned_actions_.size());
    return {kPlanId, kRunStep + 2 * number, 1 + number, {}};
  }
  void sequence(const std::function<void()>& block) override { block(); }
  void concurrence(const std::function<void()>& block) override { block(); }
  const Json* trigger_input() const override { return nullptr; }

 private:
  ActionDriver& driver_;
};

class ActionDriver::RunContext final : public Context<Running> {
 public:
  explicit RunContext(ActionDriver& driver)
      : Context(driver.clock_, driver.name_, driver.secrets_, driver.input_), driver_(driver) {}

  Json& output() override { return driver_.output_; }
  SuspendedAction suspend() override {
    driver_.is_suspended_ = true;
    return SuspendedAction(kPlanId, kRunStep);
  }
  void plan_event(Event event, Duration after) override {
    const Instant due = driver_.clock_.instant() + std::max(after, Duration::zero());
    const auto later = std::find_if(driver_.planned_events_.begin(), driver_.planned_events_.end(),
                                    [due](const PlannedEvent& other) { return other.due > due; });
    driver_.planned_events_.insert(later, {std::move(event), after, due});
  }
  persistence::WriteBatch& transaction() override { return driver_.rows_; }
  void when_stored(std::function<void(Status)> then) override { driver_.listeners_.push_back(std::move(then)); }
  bool is_halted() const override { return false; }
  void output_chunk(std::string text, std::string kind) override {
    const auto number = static_cast<std::int64_t>(driver_.chunks_.size()) + 1;
    driver_.chunks_.push_back({number, std::move(kind), std::move(text), clock().now(), {}});
  }
  std::vector<persistence::OutputChunk> stored_output_chunks() override { return driver_.chunks_; }
  void drop_output_chunks() override { driver_.chunks_.clear(); }
  int step_id() const override { return kRunStep; }
  Result<std::vector<Planned>> plan_sub_plans(std::vector<PlanRequest> requests) override {
    std::vector<Planned> planned;
    for (PlanRequest& request : requests) {
      if (driver_.registry_.find(request.action_class) == nullptr) {
        return Error(Code::kNotFound, "unknown action class '" + request.action_class + "'");
      }
      if (request.plan_id.empty()) request.plan_id = "sub-plan-" + std::to_string(driver_.sub_plans_.size() + 1);
      planned.push_back({request.plan_id, std::nullopt});
      driver_.sub_plans_.push_back(std::move(request));
    }
    return planned;
  }
  Result<std::vector<persistence::PlanStatus>> sub_plans() override {
    std::vector<persistence::PlanStatus> all;
    for (const PlanRequest& request : driver_.sub_plans_) {
      all.push_back({request.plan_id, persistence::PlanState::kRunning, persistence::PlanResult::kPending});
    }
    return all;
  }
  void cancel_plan(const std::string& plan_id, bool) override { driver_.cancelled_plans_.push_back(plan_id); }
  std::vector<Event> take_events(std::string_view) override { return {}; }

 private:
  ActionDriver& driver_;
};

class ActionDriver::FinalContext final : public Context<Finalizing> {
 public:
  explicit FinalContext(ActionDriver& driver)
      : Context(driver.clock_, driver.name_, driver.secrets_, driver.input_), driver_(driver) {}
  Json& output() override { return driver_.output_; }

 private:
  ActionDriver& driver_;
};

ActionDriver::ActionDriver(const ActionRegistry& registry)
    : registry_(registry), input_(Json::object()), output_(Json::object()) {}
ActionDriver::~ActionDriver() = default;

void ActionDriver::plan(std::string_view action_class, Json args) {
  class_ = registry_.find(action_class);
  if (class_ == nullptr) throw ActionError("NameError", "unknown action class '" + std::string(action_class) + "'");
  name_ = action_class;
  input_ = Json::object();
  output_ = Json::object();
  has_run_step_ = has_finalize_step_ = is_suspended_ = false;
  planned_actions_.clear();
  planned_events_.clear();
  PlanContext context(*this);
  class_->make()->plan(context, std::move(args));
}

void ActionDriver::run() { run_with(nullptr); }

void ActionDriver::run(const Event& event) { run_with(&event); }

void ActionDriver::run_with(const Event* event) {
  if (class_ == nullptr || !has_run_step_) throw ActionError("RuntimeError", "the action has no run step: plan it first");
  is_suspended_ = false;
  RunContext context(*this);
  listeners_.clear();
  class_->make()->run(context, event);
  for (auto& listener : std::exchange(listeners_, {})) listener({});
}

void ActionDriver::finalize() {
  if (class_ == nullptr || !has_finalize_step_) throw ActionError("RuntimeError", "the action has no finalize step: plan it first");
  FinalContext context(*this);
  class_->make()->finalize(context);
}

int ActionDriver::advance(Duration by) {
  const Instant end = clock_.instant() + by;
  int runs = 0;
  while (is_suspended_ && !planned_events_.empty() && planned_events_.front().due <= end) {
    const PlannedEvent next = std::move(planned_events_.front());
    planned_events_.erase(planned_events_.begin());
    if (next.due > clock_.instant()) clock_.advance(next.due - clock_.instant());
    run(next.event);
    ++runs;
  }
  if (clock_.instant() < end) clock_.advance(end - clock_.instant());
  return runs;
}

Progress ActionDriver::run_progress() const {
  if (class_ == nullptr) return {};
  return class_->make()->run_progress(input_, output_);
}

}  // namespace dynflow::engine::testing
