include(GNUInstallDirs)

# dynflow_module(NAME DEPENDS other... SOURCES file... LIBRARIES target... PRIVATE_LIBRARIES target...)
#
# One target a module: a static library `dynflow_NAME` whose declared edges are the modules it may include
# (DESIGN section 3; tests/lint/module_edges.py holds sources to the same table). The shared libraries and
# the module's own test binary are put together from these.
function(dynflow_module name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;SOURCES;LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
  add_library(dynflow_${name} STATIC ${ARG_SOURCES})
  target_include_directories(dynflow_${name} PUBLIC "${CMAKE_SOURCE_DIR}")
  foreach(dep IN LISTS ARG_DEPENDS)
    target_link_libraries(dynflow_${name} PUBLIC dynflow_${dep})
  endforeach()
  target_link_libraries(dynflow_${name} PUBLIC ${ARG_LIBRARIES} PRIVATE ${ARG_PRIVATE_LIBRARIES})
endfunction()

# dynflow_shared_library(TARGET OUTPUT name SOVERSION n MODULES module... LIBRARIES target... PRIVATE_LIBRARIES target...)
#
# A shared library that holds whole modules. It links only what is named (LIBRARIES: so do its users), so that two of
# them never carry a copy of the same module.
function(dynflow_shared_library target)
  cmake_parse_arguments(ARG "" "OUTPUT;SOVERSION" "MODULES;LIBRARIES;PRIVATE_LIBRARIES" ${ARGN})
  set(empty "${CMAKE_BINARY_DIR}/empty.cc")
  if(NOT EXISTS "${empty}")
    file(WRITE "${empty}" "")
  endif()
  add_library(${target} SHARED "${empty}")
  set_target_properties(${target} PROPERTIES OUTPUT_NAME "${ARG_OUTPUT}")
  if(ARG_SOVERSION)
    set_target_properties(${target} PROPERTIES SOVERSION "${ARG_SOVERSION}"
      VERSION "${ARG_SOVERSION}.${PROJECT_VERSION_MINOR}.${PROJECT_VERSION_PATCH}")
  endif()
  target_include_directories(${target} INTERFACE "$<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/dynflow_core>")
  foreach(module IN LISTS ARG_MODULES)
    add_dependencies(${target} dynflow_${module})
    target_link_options(${target} PRIVATE
      "LINKER:--whole-archive,$<TARGET_FILE:dynflow_${module}>,--no-whole-archive")
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS "$<TARGET_FILE:dynflow_${module}>")
  endforeach()
  target_link_options(${target} PRIVATE LINKER:-z,defs LINKER:-z,now)
  target_link_libraries(${target} PUBLIC ${ARG_LIBRARIES})
  # Who links the installed library need not have them.
  foreach(library IN LISTS ARG_PRIVATE_LIBRARIES)
    target_link_libraries(${target} PRIVATE "$<BUILD_INTERFACE:${library}>")
  endforeach()
endfunction()

# dynflow_unit_test(NAME SOURCES file... LIBRARIES target...): one Catch2 binary a module, one ctest entry.
function(dynflow_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE dynflow_catch_main ${ARG_LIBRARIES})
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests")
  add_test(NAME unit.${name} COMMAND ${name}_test --order rand --rng-seed time)
  set_tests_properties(unit.${name} PROPERTIES LABELS "unit;${ARG_LABELS}" TIMEOUT 300)
endfunction()
