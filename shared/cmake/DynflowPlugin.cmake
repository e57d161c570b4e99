# dynflow_add_plugin(NAME SOURCES file... LIBRARIES target...)
#
# A plugin NAME.so that the core loads: it exports its entry point and nothing else, takes the core's classes from the core's libraries, and
# says which build it was made with (shared/plugin/define_plugin.h).
set(DYNFLOW_PLUGIN_MAP "${CMAKE_CURRENT_LIST_DIR}/dynflow_plugin.map")

function(dynflow_add_plugin name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_library(${name} MODULE ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF LINK_DEPENDS "${DYNFLOW_PLUGIN_MAP}")
  target_link_libraries(${name} PRIVATE Dynflow::core ${ARG_LIBRARIES})
  target_link_options(${name} PRIVATE "LINKER:--version-script=${DYNFLOW_PLUGIN_MAP}" "LINKER:-z,defs" "LINKER:-z,now"
    "LINKER:-z,nodelete")
endfunction()
