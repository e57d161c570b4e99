#include "shared/persistence/due_callbacks.h"

#include "shared/persistence/store.h"

namespace dynflow::persistence {

DueCallbacks& due_callbacks_of(Store& store) { return dynamic_cast<DueCallbacks&>(store); }

}  // namespace dynflow::persistence
