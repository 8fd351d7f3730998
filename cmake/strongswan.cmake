# SPDX-License-Identifier: GPL-2.0-or-later
# strongSwan's libcharon: Debian's libraries, and the headers that Debian does not ship (tools/strongswan-headers fetches
# them once, for all presets). Gives the target `strongswan` and STRONGSWAN_COMPILE for the one file that includes them.
foreach(name charon strongswan)
    find_library(LIB_${name} ${name} PATHS /usr/lib/ipsec NO_DEFAULT_PATH)
    if(NOT LIB_${name})
        message(FATAL_ERROR "lib${name} is not installed. Run tools/setup build (libstrongswan, strongswan-libcharon).")
    endif()
endforeach()

set(STRONGSWAN_HEADERS ${PROJECT_SOURCE_DIR}/build/strongswan-headers CACHE PATH "Where strongSwan's headers are kept")
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/strongswan-headers ${STRONGSWAN_HEADERS} RESULT_VARIABLE fetched)
if(NOT fetched EQUAL 0)
    message(FATAL_ERROR "strongSwan's headers could not be fetched; the reason is above.")
endif()

# The headers want GNU C, a config.h first, and bring printf specifiers of their own.
set(STRONGSWAN_COMPILE -std=gnu17 -include ${PROJECT_SOURCE_DIR}/pcscf/ipsec/charon/strongswan_config.h
    -isystem ${STRONGSWAN_HEADERS}/libstrongswan -isystem ${STRONGSWAN_HEADERS}/libcharon -Wno-write-strings -Wno-format-nonliteral)
add_library(strongswan INTERFACE)
target_link_libraries(strongswan INTERFACE ${LIB_charon} ${LIB_strongswan})
# Debian keeps them outside the linker's path; plugins find lib and charon in the program that is linked with them.
target_link_options(strongswan INTERFACE -Wl,-rpath,/usr/lib/ipsec)
