# harbinger-trace.so, which QEMU loads: no library of ours in it, never sanitized (the emulator is not), and its undefined
# symbols are the emulator's. `capture` reads what it sends (plugin/frame.h) and looks for it beside the program, then where
# it is installed.
set(root ${CMAKE_BINARY_DIR}/rooms/plugin)
file(MAKE_DIRECTORY ${root})
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/trace_tools/plugin ${root}/plugin SYMBOLIC)
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/trace_tools/plugin/*.c)
add_library(harbinger_trace MODULE ${sources})
set_target_properties(harbinger_trace PROPERTIES PREFIX "" OUTPUT_NAME harbinger-trace C_VISIBILITY_PRESET hidden
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
target_include_directories(harbinger_trace PRIVATE ${root})
target_compile_definitions(harbinger_trace PRIVATE _GNU_SOURCE)
target_compile_options(harbinger_trace PRIVATE -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wno-unused-parameter -fno-strict-aliasing -O2 $<$<BOOL:${HB_WERROR}>:-Werror>)
target_link_libraries(harbinger_trace PRIVATE Threads::Threads)
install(TARGETS harbinger_trace LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/harbinger)

# The counting without the emulator, for tests under sanitizers.
list(FILTER sources EXCLUDE REGEX "/plugin\\.c$")
add_library(hb_plugin_core STATIC EXCLUDE_FROM_ALL ${sources})
target_include_directories(hb_plugin_core PUBLIC ${root})
target_link_libraries(hb_plugin_core PRIVATE hb_flags PUBLIC Threads::Threads)

target_include_directories(hb_capture PUBLIC ${root})
target_compile_definitions(hb_capture PRIVATE HB_PLUGIN_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/harbinger"
  HB_PLUGIN_FROM_BIN="../${CMAKE_INSTALL_LIBDIR}/harbinger")
