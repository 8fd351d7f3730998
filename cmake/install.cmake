# SPDX-License-Identifier: GPL-2.0-or-later
# cmake --install: programs, man pages (the daemons' from their own tables), sample files, units.
include(GNUInstallDirs)
set(CMAKE_SKIP_INSTALL_RPATH OFF)

set(pages ${CMAKE_CURRENT_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${pages})
foreach(program pcscf scscf pdp edge)
    set_target_properties(${program} PROPERTIES INSTALL_RPATH /usr/lib/ipsec)
    add_custom_command(OUTPUT ${pages}/${program}.8 COMMAND ${program} --man > ${pages}/${program}.8 DEPENDS ${program} VERBATIM)
    list(APPEND all_pages ${pages}/${program}.8)
endforeach()
add_custom_target(man ALL DEPENDS ${all_pages})

install(TARGETS pcscf scscf pdp edge imsctl ue RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS portcullis-diameter RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/portcullis)
install(FILES ${all_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES tools/imsctl/imsctl.1 tools/ue/ue.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
file(GLOB conf_files CONFIGURE_DEPENDS conf/*.yaml)
file(GLOB unit_files CONFIGURE_DEPENDS conf/systemd/*.service)
install(FILES ${conf_files} DESTINATION ${CMAKE_INSTALL_DATADIR}/portcullis/conf)
install(FILES ${unit_files} DESTINATION lib/systemd/system)
install(FILES README.md ARCHITECTURE.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
