# The guest programs of the window and clipboard spaces; window.sh and clipboard.sh run them bare and in VMs.
if(WIN32 AND CMAKE_SIZEOF_VOID_P EQUAL 8)
  foreach(guest IN ITEMS window_guest clipboard_guest)
    add_executable(${guest} ${guest}.cc)
    target_link_libraries(${guest} PRIVATE plume_options user32 gdi32 shell32)
    target_link_options(${guest} PRIVATE -municode)
  endforeach()
endif()
