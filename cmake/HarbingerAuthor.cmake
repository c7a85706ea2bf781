# harbinger.so, which specifications of policies load into Lua 5.4 (`require "harbinger"`): the policy host itself, so that what a
# specification sees is what a guest's target sees. The rooms in it are position independent and show nothing but luaopen_*.
foreach(room base map nn policy author)
  set_target_properties(hb_${room} PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
endforeach()
file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/trace_tools/author/lua_*.c)
if(sources)
  add_library(harbinger_lua MODULE ${sources})
  set_target_properties(harbinger_lua PROPERTIES PREFIX "" OUTPUT_NAME harbinger C_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lua)
  target_link_libraries(harbinger_lua PRIVATE hb_flags hb_author PkgConfig::LUA m)
  install(TARGETS harbinger_lua LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/harbinger/lua)
  add_dependencies(harbinger harbinger_lua)
endif()

# Where the command finds the module and luacheck's settings: beside itself in a build folder, else as installed.
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/policies ${CMAKE_BINARY_DIR}/policies SYMBOLIC)
target_compile_definitions(hb_author PRIVATE
  HB_AUTHOR_LUA_FROM_BIN="../${CMAKE_INSTALL_LIBDIR}/harbinger/lua" HB_AUTHOR_LUA_DIR="${CMAKE_INSTALL_FULL_LIBDIR}/harbinger/lua"
  HB_AUTHOR_POLICIES_FROM_BIN="../${CMAKE_INSTALL_DATADIR}/harbinger/policies"
  HB_AUTHOR_POLICIES_DIR="${CMAKE_INSTALL_FULL_DATADIR}/harbinger/policies")
install(FILES policies/.luacheckrc DESTINATION ${CMAKE_INSTALL_DATADIR}/harbinger/policies)
