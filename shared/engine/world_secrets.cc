#include <utility>

#include "shared/engine/secret_keeper.h"
#include "shared/engine/world_impl.h"
#include "shared/log/log.h"

namespace dynflow::engine {

using persistence::WriteBatch;

Status World::Impl::add_secrets(const PlanRequest& request, WriteBatch& rows) const {
  if (options().secrets == nullptr || request.secrets.is_null()) return {};
  auto sealed = options().secrets->seal(request.plan_id, request.secrets);
  if (!sealed.ok()) return sealed.error();
  rows.add(WriteBatch::PutSecrets{request.plan_id, std::move(*sealed)});
  return {};
}

Result<World::Impl::KeptSecrets> World::Impl::stored_secrets(const std::string& plan_id) const {
  KeptSecrets kept;
  if (options().secrets == nullptr) return kept;
  const auto sealed = store().load_secrets(plan_id);
  if (!sealed.ok() && sealed.error().code() == Code::kNotFound) return kept;
  if (!sealed.ok()) return sealed.error();
  auto opened = options().secrets->open(plan_id, *sealed);
  if (opened.ok()) {
    kept.secrets = std::move(*opened);
  } else {
    kept.loss = opened.error().message();
    log::error({.task_id = plan_id}, "its stored secrets cannot be read: {}", kept.loss);
  }
  return kept;
}

Json World::Impl::take_paused_secrets(const std::string& plan_id) {
  const std::lock_guard lock(mutex_);
  auto kept = paused_secrets_.extract(plan_id);
  return kept ? std::move(kept.mapped()) : Json();
}

void World::Impl::forget_secrets(const std::string& plan_id) {
  const std::lock_guard lock(mutex_);
  paused_secrets_.erase(plan_id);
  delayed_secrets_.erase(plan_id);
}

}  // namespace dynflow::engine
