# Compiler settings of the whole tree.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_LINK_DEPENDS_NO_SHARED ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)
# RelWithDebInfo is what is shipped: optimised; small debug info keeps build time and packages down.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

set(DYNFLOW_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")

add_compile_options(-Wall -Wextra -Wnon-virtual-dtor -Wold-style-cast -Wshadow -Woverloaded-virtual
                    -fstack-protector-strong -fno-plt)
option(DYNFLOW_WERROR "Warnings are errors" ON)
if(DYNFLOW_WERROR)
  add_compile_options(-Werror)
endif()
if(DYNFLOW_SANITIZE)
  add_compile_options(-fsanitize=${DYNFLOW_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DYNFLOW_SANITIZE})
  # g++ 12 reports false positives of these under the sanitizers' instrumentation.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-tsan)
  endif()
else()
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
endif()
