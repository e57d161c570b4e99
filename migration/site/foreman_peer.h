// The Foreman of a site, asked as the proxy would ask it.
//
// Threads: one at a time; calls block up to 30 seconds.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "migration/site/site.h"
#include "shared/base/clock.h"
#include "shared/base/result.h"

namespace dynflow::migration {

// How far Foreman's clock is ahead of this host's, as far as its answers tell (to a second). Errors: kInvalid: the settings name no
// Foreman; kUnavailable and others of the connection; kBadPeer: its answer has no date.
Result<Duration> foreman_clock_lead(const Site& site);

// Posts a callback for a task that nobody has: Foreman takes it from a proxy that it knows, and then refuses it for the task. Nothing
// comes of it. Errors: kForbidden: it does not know this proxy; kNotFound: no callbacks are taken there; kUnavailable and others of the connection.
Status try_callback(const Site& site);

// The time of a header Date. Nothing for what is none.
std::optional<Time> parse_http_date(const std::string& text);

}  // namespace dynflow::migration
