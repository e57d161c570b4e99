#include "shared/persistence/output_ends.h"

#include "shared/persistence/store.h"

namespace dynflow::persistence {

OutputEnds& output_ends_of(Store& store) { return dynamic_cast<OutputEnds&>(store); }

}  // namespace dynflow::persistence
