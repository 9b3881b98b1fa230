# What vm_life.sh needs of Windows programs.
if(WIN32)
  add_executable(life_guest life_guest.cc)
  target_link_libraries(life_guest PRIVATE plume_options)
  target_link_options(life_guest PRIVATE -municode)
endif()
