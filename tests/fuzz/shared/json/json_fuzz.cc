// Documents from outside.
#include "tests/fuzz/shared/json/json_promise.h"

void fuzz(std::string_view bytes) { check_document(dynflow::json::parse(bytes, small_limits())); }
