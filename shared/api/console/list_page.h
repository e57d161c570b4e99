// The list of plans: filtered, ordered, a page at a time.
//
// Threads: as the store.
#pragma once

#include "shared/api/console/list_query.h"
#include "shared/api/console/visit.h"
#include "shared/http/message.h"
#include "shared/persistence/store.h"

namespace dynflow::api::console {

// Cost: a page, wherever it is in the list; and where the order is another one than that of insertion, a look at all plans that match.
http::Response list_page(const Visit& visit, persistence::Store& store, const ListQuery& query);

}  // namespace dynflow::api::console
