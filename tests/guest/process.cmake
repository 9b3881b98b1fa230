# The guest program of the process space; process.sh runs it bare and in a VM.
if(WIN32)
  add_executable(process_guest process_guest.cc)
  target_link_libraries(process_guest PRIVATE plume_options ntdll psapi)
  target_link_options(process_guest PRIVATE -municode)
endif()
