// How the arguments of a delayed plan are put into the store and got back when its time has come.
//
// Threads: objects without state; all methods may be called from any thread.
//
// Source: Dynflow 2.0.0, lib/dynflow/serializers/{abstract,noop}.rb.
#pragma once

#include <string_view>

#include "shared/json/json.h"

namespace dynflow::engine {

class Serializer {
 public:
  virtual ~Serializer() = default;
  // Stored beside the arguments: whoever reads them has to have the same.
  virtual std::string_view name() const = 0;
  // What they throw becomes the error of the plan.
  virtual Json serialize(Json args) const = 0;
  virtual Json deserialize(Json stored) const = 0;
};

// Arguments as they are.
class NoopSerializer final : public Serializer {
 public:
  std::string_view name() const override { return "Dynflow::Serializers::Noop"; }
  Json serialize(Json args) const override { return args; }
  Json deserialize(Json stored) const override { return stored; }
};

}  // namespace dynflow::engine
