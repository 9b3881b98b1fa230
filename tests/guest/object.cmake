# The guest program of the object space; object.sh runs it bare and in VMs.
if(WIN32)
  add_executable(object_guest object_guest.cc object_guest_pipes.cc object_guest_others.cc)
  target_link_libraries(object_guest PRIVATE plume_options ntdll)
  target_link_options(object_guest PRIVATE -municode)
endif()
