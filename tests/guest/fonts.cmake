# The guest program of fonts; fonts.sh runs it bare and in VMs.
if(WIN32)
  add_executable(fonts_guest fonts_guest.cc)
  target_link_libraries(fonts_guest PRIVATE plume_options gdi32 user32)
  target_link_options(fonts_guest PRIVATE -municode)
endif()
