# The guest program of the registry space; key.sh runs it bare and in a VM.
if(WIN32)
  add_executable(key_guest key_guest.cc)
  target_link_libraries(key_guest PRIVATE plume_options advapi32)
  target_link_options(key_guest PRIVATE -municode)
endif()
