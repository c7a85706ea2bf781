# The traces of the demonstration, and where the command finds them: beside itself in a build folder, else as installed.
file(CREATE_LINK ${CMAKE_SOURCE_DIR}/examples/traces ${CMAKE_BINARY_DIR}/traces SYMBOLIC)
target_compile_definitions(hb_stage PRIVATE HB_STAGE_TRACES_FROM_BIN="../${CMAKE_INSTALL_DATADIR}/harbinger/traces"
  HB_STAGE_TRACES_DIR="${CMAKE_INSTALL_FULL_DATADIR}/harbinger/traces")
install(DIRECTORY examples/traces/ DESTINATION ${CMAKE_INSTALL_DATADIR}/harbinger/traces FILES_MATCHING PATTERN "*.hbt")
