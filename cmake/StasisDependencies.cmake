# Every library comes from Debian 12 (deploy/install-deps.sh); ARCHITECTURE.md says why each is here.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.13)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.70)
pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls>=3.6.9)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd>=1.4)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.34)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.3)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# Only the core: pkg-config's line for gRPC drags in fifty abseil libraries that C code never calls.
find_library(GRPC_LIBRARY grpc REQUIRED)
find_library(GPR_LIBRARY gpr REQUIRED)
add_library(grpc_core INTERFACE)
target_link_libraries(grpc_core INTERFACE ${GRPC_LIBRARY} ${GPR_LIBRARY})

find_program(PROTOC_C protoc-c REQUIRED)
