# The program whose calls trace.sh records.
if(WIN32)
  add_executable(trace_guest trace_guest.cc trace_guest_spaces.cc)
  target_link_libraries(trace_guest PRIVATE plume_options advapi32 user32 ws2_32)
  target_link_options(trace_guest PRIVATE -municode)
endif()
