// Ruby cores write links into their pages that name the proxy and leave out where the core is mounted on it, as they know only
// X-Forwarded-Host. They are put right as the page passes.
//
// Threads: none of its own; a stream belongs to whoever reads it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/dynflow/relay_headers.h"
#include "shared/http/message.h"

namespace dynflow::proxy {

// Whether an answer with these headers is a page whose text can be changed.
bool is_page(const http::Headers& headers);

// How links to the console begin in pages of a core that does not know its mount: with the name that the client used, or its own.
std::vector<std::string> inside_links(const CoreUrl& core, std::string_view scheme, std::string_view client_host);

// `page` with `outside` in place of each of `inside` (none empty, none the beginning of another). Its length is not known beforehand.
// Holds no more than a piece of it.
std::unique_ptr<http::BodyStream> with_links(std::unique_ptr<http::BodyStream> page, std::vector<std::string> inside, std::string outside);

}  // namespace dynflow::proxy
