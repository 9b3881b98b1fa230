# The guest program of the process and device spaces' limits; guard.sh runs it bare and in VMs.
if(WIN32)
  add_executable(guard_guest guard_guest.cc)
  target_link_libraries(guard_guest PRIVATE plume_options ntdll psapi advapi32)
  target_link_options(guard_guest PRIVATE -municode)
endif()
