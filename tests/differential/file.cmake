# The file differential test: file_ops.exe runs bare and in a VM; run_file.py drives and compares.
if(WIN32)
  add_executable(file_ops file_ops.cc file_ops_tree.cc file_ops_run.cc file_ops_handles.cc file_ops_names.cc)
  target_link_libraries(file_ops PRIVATE plume_options)
  target_link_options(file_ops PRIVATE -municode)
endif()
