# The guest program of the network space; network.sh runs it bare and in VMs.
if(WIN32)
  add_executable(network_guest network_guest.cc)
  target_link_libraries(network_guest PRIVATE plume_options ws2_32 iphlpapi dnsapi)
endif()
