# The guest program of the process space; process.sh runs it bare and in a VM.
if(WIN32)
  add_executable(process_guest process_guest.cc)
  target_link_libraries(process_guest PRIVATE plume_options ntdll psapi)
  target_link_options(process_guest PRIVATE -municode)
  # The same where the layer would be mapped (src/vl/CMakeLists.txt), and it cannot be moved.
  add_executable(process_in_place process_guest.cc)
  target_link_libraries(process_in_place PRIVATE plume_options ntdll psapi)
  target_link_options(process_in_place PRIVATE -municode -Wl,--image-base,0x16bfc0000 -Wl,--disable-dynamicbase
    -Wl,--disable-reloc-section)
endif()
