# CPACK_PRE_BUILD_SCRIPTS: what makes the staged trees (one a component) Debian packages.
set(from ${CMAKE_CURRENT_LIST_DIR})
set(secret OWNER_READ OWNER_WRITE OWNER_EXECUTE)

# compress(FILE...): each becomes FILE.gz, without a name or a time in it.
function(compress)
    if(ARGN)
        execute_process(COMMAND gzip -9nf ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
    endif()
endfunction()

# document(TREE PACKAGE): changelog, copyright, overrides.
function(document tree package)
    configure_file(${from}/changelog.in ${tree}/usr/share/doc/${package}/changelog.Debian @ONLY)
    compress(${tree}/usr/share/doc/${package}/changelog.Debian)
    file(COPY ${from}/copyright DESTINATION ${tree}/usr/share/doc/${package})
    configure_file(${from}/${package}.lintian-overrides ${tree}/usr/share/lintian/overrides/${package} COPYONLY)
endfunction()

set(tree ${CPACK_TEMPORARY_DIRECTORY}/command)
document(${tree} varve)
file(COPY ${from}/README.Debian DESTINATION ${tree}/usr/share/doc/varve)
file(REMOVE ${tree}/usr/share/doc/varve/COPYING) # is in copyright
file(GLOB pages ${tree}/usr/share/man/man?/*.[0-9])
compress(${pages})
# Where Debian's zsh looks for what packages bring.
file(MAKE_DIRECTORY ${tree}/usr/share/zsh/vendor-completions)
file(RENAME ${tree}/usr/share/zsh/site-functions/_varve ${tree}/usr/share/zsh/vendor-completions/_varve)
file(REMOVE_RECURSE ${tree}/usr/share/zsh/site-functions)
# Root's alone, and empty (README.Debian).
foreach(directory etc/varve var/lib/varve var/cache/varve)
    file(MAKE_DIRECTORY ${tree}/${directory})
    file(CHMOD ${tree}/${directory} PERMISSIONS ${secret})
endforeach()

document(${CPACK_TEMPORARY_DIRECTORY}/development libvarve-dev)
# What dh_strip does: the linker wants the symbols, nobody the debugging information.
file(GLOB_RECURSE archives ${CPACK_TEMPORARY_DIRECTORY}/development/*.a)
foreach(archive ${archives})
    execute_process(COMMAND strip --strip-debug --remove-section=.comment --enable-deterministic-archives
        ${archive} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
