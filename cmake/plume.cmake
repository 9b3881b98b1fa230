# Shared build rules: warnings, third-party headers, and the functions every folder uses.
#   plume_library(NAME [sources...] DEPS libs... [UNITY])   a static library plume_NAME
#   plume_delay_load(NAME dll functions...)         functions of a system DLL that is loaded by the first call into it
#   plume_test(FILE.cc DEPS libs...)                a GoogleTest program, native builds only, run by ctest
#   plume_flatbuffer(TARGET file.fbs)               generates file_generated.h, visible to TARGET
option(PLUME_SANITIZE "ASan and UBSan" OFF)
option(PLUME_TSAN "ThreadSanitizer" OFF)
option(PLUME_FUZZ "libFuzzer targets (clang)" OFF)

add_library(plume_options INTERFACE)
target_compile_options(plume_options INTERFACE -Wall -Wextra -Werror -Wno-unused-parameter -Wshadow)
target_include_directories(plume_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
if(WIN32)
  # Debian's header-only packages serve the mingw builds through a folder of links to just those packages.
  set(PLUME_HEADERS ${CMAKE_BINARY_DIR}/headers)
  file(MAKE_DIRECTORY ${PLUME_HEADERS})
  foreach(package IN ITEMS CLI nlohmann spdlog fmt toml++ flatbuffers boost)
    if(NOT EXISTS ${PLUME_HEADERS}/${package})
      file(CREATE_LINK /usr/include/${package} ${PLUME_HEADERS}/${package} SYMBOLIC)
    endif()
  endforeach()
  target_include_directories(plume_options SYSTEM INTERFACE ${PLUME_HEADERS})
  target_compile_definitions(plume_options INTERFACE UNICODE _UNICODE NOMINMAX WIN32_LEAN_AND_MEAN
    _WIN32_WINNT=0x0A00 FMT_HEADER_ONLY SPDLOG_FMT_EXTERNAL)
  target_link_options(plume_options INTERFACE -static)
else()
  target_compile_definitions(plume_options INTERFACE FMT_HEADER_ONLY SPDLOG_FMT_EXTERNAL)
  find_package(Threads REQUIRED)
  target_link_libraries(plume_options INTERFACE Threads::Threads)
endif()
if(PLUME_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
if(PLUME_TSAN)
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
endif()
if(PLUME_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  add_link_options(-fsanitize=address,undefined)
endif()

# One compilation for all sources of a target: for those that include JSON or Boost, whose headers take longer than the
# sources themselves. While working on one of them, -DPLUME_UNITY=OFF compiles each file by itself.
option(PLUME_UNITY "Compile targets with large headers as one unit each" ON)
function(plume_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${PLUME_UNITY} UNITY_BUILD_BATCH_SIZE 0)
endfunction()

function(plume_library name)
  cmake_parse_arguments(ARG "UNITY" "" "DEPS" ${ARGN})
  add_library(plume_${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  if(ARG_UNITY)
    plume_unity(plume_${name})
  endif()
  target_link_libraries(plume_${name} PUBLIC plume_options ${ARG_DEPS})
endfunction()

# Most runs of plume.exe need none of these DLLs, and loading them takes longer than all it does itself.
function(plume_delay_load name dll)
  list(JOIN ARGN "\n" functions)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/delay_${dll})
  file(CONFIGURE OUTPUT ${file}.def CONTENT "LIBRARY ${dll}.dll\nEXPORTS\n${functions}\n" @ONLY)
  add_custom_command(OUTPUT ${file}.a DEPENDS ${file}.def VERBATIM
    COMMAND ${CMAKE_DLLTOOL} -d ${file}.def --output-delaylib ${file}.a)
  add_custom_target(plume_delay_${dll} DEPENDS ${file}.a)
  add_dependencies(plume_${name} plume_delay_${dll})
  target_link_libraries(plume_${name} PUBLIC ${file}.a)
endfunction()

function(plume_flatbuffer target schema)
  get_filename_component(stem ${schema} NAME_WE)
  get_filename_component(folder ${CMAKE_CURRENT_SOURCE_DIR} NAME)
  set(out ${CMAKE_BINARY_DIR}/generated/${folder})
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${out}/${stem}_generated.h
    COMMAND flatc --cpp --scoped-enums -o ${out} ${CMAKE_CURRENT_SOURCE_DIR}/${schema}
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${schema} VERBATIM)
  add_custom_target(${target}_${stem}_fbs DEPENDS ${out}/${stem}_generated.h)
  add_dependencies(${target} ${target}_${stem}_fbs)
endfunction()

# GoogleTest is built from its Debian source package, so that mingw and sanitizer builds use the same one.
if(NOT WIN32 AND NOT PLUME_FUZZ AND EXISTS /usr/src/googletest/CMakeLists.txt)
  set(INSTALL_GTEST OFF CACHE BOOL "" FORCE)
  add_subdirectory(/usr/src/googletest ${CMAKE_BINARY_DIR}/googletest EXCLUDE_FROM_ALL)
  set(PLUME_TESTS ON)
endif()

function(plume_test file)
  if(NOT PLUME_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE plume_options ${ARG_DEPS} GTest::gtest_main GTest::gmock)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
endfunction()

# A fuzzer: plume_fuzzer(FILE.cc DEPS libs...), clang-fuzz preset only; the target `fuzzers` builds all of them.
if(PLUME_FUZZ)
  add_custom_target(fuzzers)
endif()
function(plume_fuzzer file)
  if(NOT PLUME_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  get_filename_component(name ${file} NAME_WE)
  add_executable(${name} ${file})
  target_link_libraries(${name} PRIVATE plume_options ${ARG_DEPS})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers ${name})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
endfunction()
