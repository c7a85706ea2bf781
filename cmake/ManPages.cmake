# A manual page for each command: cmake -D PROGRAM=harbinger -D DIR=folder -P ManPages.cmake. The program says which there are,
# so the folder is emptied first.
execute_process(COMMAND ${PROGRAM} help --complete commands OUTPUT_VARIABLE names OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" names "${names}")
file(REMOVE_RECURSE ${DIR})
file(MAKE_DIRECTORY ${DIR})
foreach(name ${names})
  string(REPLACE " " ";" words "${name}")
  string(REPLACE " " "-" page "${name}")
  execute_process(COMMAND ${PROGRAM} help --man ${words} OUTPUT_FILE ${DIR}/harbinger-${page}.1 COMMAND_ERROR_IS_FATAL ANY)
endforeach()
