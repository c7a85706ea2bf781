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
foreach(shell bash zsh fish)
  hb_generate(harbinger.${shell} harbinger help --completion ${shell})
endforeach()
hb_generate(harbingerd.ini.5 settings_man)
# One page a command. Which there are is known only when the program is built: a stamp stands for all of them.
add_custom_command(OUTPUT ${generated}/commands.stamp
  COMMAND ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:harbinger> -D DIR=${generated}/commands -P ${CMAKE_SOURCE_DIR}/cmake/ManPages.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${generated}/commands.stamp
  DEPENDS harbinger ${CMAKE_SOURCE_DIR}/cmake/ManPages.cmake)
set_property(GLOBAL APPEND PROPERTY HB_GENERATED ${generated}/commands.stamp)
get_property(all GLOBAL PROPERTY HB_GENERATED)
add_custom_target(hb_manual ALL DEPENDS ${all})

install(FILES ${generated}/harbinger.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(DIRECTORY ${generated}/commands/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
install(FILES ${generated}/harbingerd.ini.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${generated}/harbinger.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME harbinger)
install(FILES ${generated}/harbinger.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _harbinger)
install(FILES ${generated}/harbinger.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(DIRECTORY examples/settings/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/settings FILES_MATCHING PATTERN "*.ini")

file(READ ${CMAKE_SOURCE_DIR}/examples/systemd/harbingerd.service unit)
string(REPLACE "/usr/bin/harbingerd" "${CMAKE_INSTALL_FULL_BINDIR}/harbingerd" unit "${unit}")
file(WRITE ${generated}/harbingerd.service "${unit}")
install(FILES ${generated}/harbingerd.service DESTINATION lib/systemd/system)
