# The guest program of the file space; file.sh runs it bare and in a VM.
if(WIN32)
  add_executable(file_guest file_guest.cc file_spellings.cc file_claim.cc)
  target_include_directories(file_guest PRIVATE ${CMAKE_SOURCE_DIR}/tests/differential)
  target_link_libraries(file_guest PRIVATE plume_options psapi)
  target_link_options(file_guest PRIVATE -municode)
endif()
