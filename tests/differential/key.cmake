# Registry differential test: key_ops is the guest, key_catalog builds its image, run_key.py drives and compares.
if(WIN32)
  add_executable(key_ops key_ops.cc key_script.cc key_population.cc key_nt.cc)
  target_link_libraries(key_ops PRIVATE plume_options)
elseif(TARGET plume_catalog_writer)
  add_executable(key_catalog key_catalog.cc key_population.cc)
  target_link_libraries(key_catalog PRIVATE plume_catalog_writer)
endif()
