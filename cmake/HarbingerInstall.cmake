# What is installed beside the programs. Manual pages and completion are made by the programs themselves, from the tables they
# work with, so they cannot say anything else than the programs do.
set(generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${generated})

function(hb_generate file program)
  add_custom_command(OUTPUT ${generated}/${file} COMMAND ${program} ${ARGN} > ${generated}/${file} DEPENDS ${program})
  set_property(GLOBAL APPEND PROPERTY HB_GENERATED ${generated}/${file})
endfunction()

add_executable(settings_man ${CMAKE_SOURCE_DIR}/cmake/settings_man.c)
target_link_libraries(settings_man PRIVATE hb_flags hb_daemon)

hb_generate(harbinger.1 harbinger help --man)
hb_generate(harbinger.bash harbinger help --completion)
hb_generate(harbingerd.ini.5 settings_man)
get_property(all GLOBAL PROPERTY HB_GENERATED)
add_custom_target(hb_manual ALL DEPENDS ${all})

install(FILES ${generated}/harbinger.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${generated}/harbingerd.ini.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${generated}/harbinger.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME harbinger)
install(DIRECTORY examples/settings/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/settings FILES_MATCHING PATTERN "*.ini")

file(READ ${CMAKE_SOURCE_DIR}/examples/systemd/harbingerd.service unit)
string(REPLACE "/usr/bin/harbingerd" "${CMAKE_INSTALL_FULL_BINDIR}/harbingerd" unit "${unit}")
file(WRITE ${generated}/harbingerd.service "${unit}")
install(FILES ${generated}/harbingerd.service DESTINATION lib/systemd/system)
