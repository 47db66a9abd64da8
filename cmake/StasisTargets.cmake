# How targets are made here. One folder is one library; its LINKS line names the only arrows allowed.

add_library(stasis_options INTERFACE)
target_compile_definitions(stasis_options INTERFACE _GNU_SOURCE STASIS_VERSION="${PROJECT_VERSION}")
target_include_directories(stasis_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(stasis_options INTERFACE
    -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wstrict-prototypes
    -Wmissing-prototypes -Wimplicit-fallthrough -Wvla -Wpointer-arith -fno-common)
if(STASIS_FAILPOINTS)
    target_compile_definitions(stasis_options INTERFACE STASIS_FAILPOINTS)
endif()
if(STASIS_WERROR)
    target_compile_options(stasis_options INTERFACE -Werror)
endif()
if(STASIS_SANITIZE)
    target_compile_options(stasis_options INTERFACE
        -fsanitize=${STASIS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(stasis_options INTERFACE -fsanitize=${STASIS_SANITIZE})
endif()
if(STASIS_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "STASIS_FUZZ: want clang with libFuzzer, got ${CMAKE_C_COMPILER_ID}; use the preset fuzz")
    endif()
    target_compile_options(stasis_options INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(stasis_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(stasis_options INTERFACE -fstack-protector-strong -D_FORTIFY_SOURCE=2)
    target_link_options(stasis_options INTERFACE -Wl,-z,relro,-z,now)
endif()

# stasis_library(NAME SOURCES a.c b.c LINKS x y): the library of the current folder.
function(stasis_library name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_library(${name} STATIC ${ARG_SOURCES})
    target_link_libraries(${name} PUBLIC stasis_options ${ARG_LINKS})
endfunction()

# stasis_program(NAME SOURCES main.c LINKS x y): a binary, put into build/<preset>/bin.
function(stasis_program name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE stasis_options ${ARG_LINKS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
endfunction()

# stasis_unit_test(NAME SOURCES test_x.c LINKS x): one CMocka program, run by ctest with the label "unit".
function(stasis_unit_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE stasis_options ${ARG_LINKS} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# stasis_integration_test(NAME SOURCES test_x.c LINKS x): the same against real servers that the test starts itself;
# label "integration". A test whose server is not installed skips (exit code 77).
function(stasis_integration_test name)
    cmake_parse_arguments(ARG "" "" "SOURCES;LINKS" ${ARGN})
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE stasis_options ${ARG_LINKS} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
    set_tests_properties(${name} PROPERTIES LABELS integration TIMEOUT 600 SKIP_RETURN_CODE 77)
endfunction()

# Format and lint leave no opinions: `cmake --build --preset dev --target format`, and `lint`, which is also a test.
add_custom_target(format COMMAND "${CMAKE_SOURCE_DIR}/tests/lint.sh" --fix)
add_custom_target(lint COMMAND "${CMAKE_SOURCE_DIR}/tests/lint.sh")
