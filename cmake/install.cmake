# SPDX-License-Identifier: GPL-2.0-or-later
# cmake --install: programs, man pages (the daemons' from their own tables), sample files, units and their user.
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
# What a page of section 8 explains, by the name people look for.
file(WRITE ${pages}/portcullis-cdr.5 ".so man8/scscf.8\n")
file(WRITE ${pages}/portcullis-policy.5 ".so man8/pdp.8\n")

install(TARGETS pcscf scscf pdp edge imsctl ue RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS portcullis-diameter RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/portcullis)
install(FILES ${all_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${pages}/portcullis-cdr.5 ${pages}/portcullis-policy.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES tools/imsctl/imsctl.1 tools/ue/ue.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
file(GLOB conf_files CONFIGURE_DEPENDS conf/*.yaml)
install(FILES ${conf_files} DESTINATION ${CMAKE_INSTALL_DATADIR}/portcullis/conf)
# The units name the programs where they are installed, which --prefix may say only now.
install(CODE "
    file(GLOB units ${PROJECT_SOURCE_DIR}/conf/systemd/*.service.in)
    set(bin \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR})
    foreach(unit \${units})
        get_filename_component(name \${unit} NAME_WLE)
        configure_file(\${unit} ${CMAKE_CURRENT_BINARY_DIR}/units/\${name} @ONLY)
    endforeach()")
install(DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/units/ DESTINATION lib/systemd/system FILES_MATCHING PATTERN *.service)
install(FILES conf/systemd/portcullis.sysusers DESTINATION lib/sysusers.d RENAME portcullis.conf)
install(FILES README.md ARCHITECTURE.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
