# A service and what controls it; services.sh runs it bare and in VMs.
if(WIN32)
  add_executable(services_guest services_guest.cc)
  target_link_libraries(services_guest PRIVATE plume_options advapi32)
  target_link_options(services_guest PRIVATE -municode)
endif()
