# What `cmake --install` puts where: the two libraries (component core), and what others build plugins and programs with
# (component development): the public headers, a CMake package DynflowCore, a pkg-config file.
include(CMakePackageConfigHelpers)

set(DYNFLOW_INCLUDE_DIR "${CMAKE_INSTALL_INCLUDEDIR}/dynflow_core")
set(DYNFLOW_PACKAGE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/DynflowCore")

# The closed set of public headers: each compiles alone against the install tree (tests/integration/package_test.py). A header in here
# keeps its promises from one release to the next as docs/plugins.md says.
set(DYNFLOW_PUBLIC_HEADERS
  shared/base/clock.h shared/base/deadline.h shared/base/fd.h shared/base/ids.h shared/base/result.h shared/base/secret.h
  shared/base/utf8.h
  shared/engine/action.h shared/engine/action_class.h shared/engine/cancellable.h shared/engine/concurrency.h
  shared/engine/event.h shared/engine/hooks.h shared/engine/middleware.h shared/engine/polling.h shared/engine/presentation.h
  shared/engine/queues.h shared/engine/registry.h shared/engine/scheduler.h shared/engine/secret_keeper.h
  shared/engine/serializer.h
  shared/engine/status_document.h shared/engine/sub_plans.h shared/engine/timeouts.h shared/engine/world.h
  shared/engine/testing/action_driver.h shared/engine/testing/in_thread_world.h shared/engine/testing/seeded_scheduler.h
  shared/json/json.h shared/json/json_fwd.h
  shared/launcher/batch.h shared/launcher/entry.h shared/launcher/group.h shared/launcher/launcher.h
  shared/launcher/one_time_passwords.h shared/launcher/secrets.h
  shared/log/log.h
  shared/net/event_loop.h shared/net/poller.h
  shared/persistence/records.h shared/persistence/store.h shared/persistence/sqlite/sqlite_store.h
  shared/plugin/build_id.h shared/plugin/context.h shared/plugin/define_plugin.h shared/plugin/plugin_api.h
  shared/process/child.h
  shared/runner/dispatcher.h shared/runner/process_runner.h shared/runner/runner.h shared/runner/runner_action.h
  shared/settings/yaml.h)

install(TARGETS dynflow_base_lib dynflow_core_lib EXPORT DynflowCoreTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT core NAMELINK_COMPONENT development)
set_target_properties(dynflow_base_lib PROPERTIES EXPORT_NAME base)
set_target_properties(dynflow_core_lib PROPERTIES EXPORT_NAME core)

foreach(header IN LISTS DYNFLOW_PUBLIC_HEADERS)
  get_filename_component(folder "${header}" DIRECTORY)
  install(FILES "${CMAKE_SOURCE_DIR}/${header}" DESTINATION "${DYNFLOW_INCLUDE_DIR}/${folder}" COMPONENT development)
endforeach()

install(EXPORT DynflowCoreTargets NAMESPACE Dynflow:: DESTINATION "${DYNFLOW_PACKAGE_DIR}" COMPONENT development)
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/DynflowCoreConfig.cmake.in"
  "${CMAKE_BINARY_DIR}/package/DynflowCoreConfig.cmake" INSTALL_DESTINATION "${DYNFLOW_PACKAGE_DIR}")
# Plugins that use the C++ classes fit the build they were made for and no other.
write_basic_package_version_file("${CMAKE_BINARY_DIR}/package/DynflowCoreConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
file(RELATIVE_PATH DYNFLOW_LIBDIR_TO_INCLUDEDIR "/${CMAKE_INSTALL_LIBDIR}" "/${CMAKE_INSTALL_INCLUDEDIR}")
configure_file("${CMAKE_CURRENT_LIST_DIR}/dynflow-core.pc.in" "${CMAKE_BINARY_DIR}/package/dynflow-core.pc" @ONLY)
install(FILES "${CMAKE_BINARY_DIR}/package/DynflowCoreConfig.cmake" "${CMAKE_BINARY_DIR}/package/DynflowCoreConfigVersion.cmake"
              "${CMAKE_CURRENT_LIST_DIR}/DynflowPlugin.cmake" "${CMAKE_CURRENT_LIST_DIR}/dynflow_plugin.map"
  DESTINATION "${DYNFLOW_PACKAGE_DIR}" COMPONENT development)
install(FILES "${CMAKE_BINARY_DIR}/package/dynflow-core.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)
