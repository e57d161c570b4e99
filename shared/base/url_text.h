// URLs for people: what they may see of one.
//
// Threads: pure functions.
#pragma once

#include <string>

namespace dynflow {

// "scheme://user:secret@host/name?password=x" without what stands before the @ (the last one, as passwords may hold one) and without
// the passwords of the query. What is no URL stays as it is.
std::string without_credentials(std::string text);

}  // namespace dynflow
