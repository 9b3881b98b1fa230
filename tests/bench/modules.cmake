# What a start of CMake does, without a compiler: finds its thousands of files and reads some of them.
file(GLOB modules RELATIVE "${CMAKE_ROOT}/Modules" "${CMAKE_ROOT}/Modules/Check*.cmake" "${CMAKE_ROOT}/Modules/Use*.cmake")
list(SORT modules)
foreach(module IN LISTS modules)
  file(READ "${CMAKE_ROOT}/Modules/${module}" text)
  string(LENGTH "${text}" length)
  message(STATUS "${module} ${length}")
endforeach()
