# What all test programs are compiled with: one interface target, made once however many folders include this file.
# gcc removes malloc/free pairs it can see through and rewrites malloc+memset to calloc: the builtins are switched off, all of them.
include_guard(GLOBAL)
find_package(Threads REQUIRED)

if(NOT DEFINED MSPACE_WARNINGS) # the project's, where it has set them
    set(MSPACE_WARNINGS -Wall -Wextra -Wshadow -Wundef -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wcast-qual
        -Wvla -Wimplicit-fallthrough)
endif()

add_library(test_support INTERFACE)
target_include_directories(test_support INTERFACE ${CMAKE_CURRENT_LIST_DIR})
target_compile_definitions(test_support INTERFACE _GNU_SOURCE)
target_compile_options(test_support INTERFACE -std=gnu11 ${MSPACE_WARNINGS}
    -fno-builtin-malloc -fno-builtin-free -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-aligned_alloc
    -fno-builtin-posix_memalign -fno-builtin-memalign -fno-builtin-strdup -fno-builtin-strndup)
target_link_libraries(test_support INTERFACE Threads::Threads ${CMAKE_DL_LIBS})
