# Libraries that are opened when something of them is needed first (core/loaded_library.h), instead of at
# every start.
#
# varve_load_later(MODULE NAME LIBRARY target INCLUDES headers PURPOSE text PACKAGE Debian's [VERSION least]
#                  PKG_CONFIG name FUNCTIONS names):
# "loaded/NAME_functions.h", for the sources of lib/MODULE alone, stands for the library's own headers.  It
# declares NAME_functions_load(err), to be called before anything else of the library, and has each function
# called through a pointer.  With VARVE_LOAD_LATER=OFF NAME_functions_load does nothing, and the library is
# linked.  A function that FUNCTIONS lacks fails to link; variables of a library cannot be had.
# All of it is there once CMake has run, for tools that only read compile_commands.json.
function(varve_load_later module name)
    cmake_parse_arguments(ARG "" "LIBRARY;PURPOSE;PACKAGE;VERSION;PKG_CONFIG" "INCLUDES;FUNCTIONS" ${ARGN})
    set(directory ${CMAKE_CURRENT_BINARY_DIR}/${module}-loaded)
    string(TOUPPER "VARVE_LOADED_${name}_FUNCTIONS_H" guard)
    set(header "/* SPDX-License-Identifier: BSD-2-Clause */\n/* Made by lib/load_later.cmake. */\n")
    string(APPEND header "#ifndef ${guard}\n#define ${guard}\n\n")
    foreach(include ${ARG_INCLUDES})
        string(APPEND header "#include <${include}>\n")
    endforeach()
    string(APPEND header "\n#include \"core/error.h\"\n\n")
    if(VARVE_LOAD_LATER)
        set(members "")
        set(macros "")
        set(names "")
        foreach(function ${ARG_FUNCTIONS})
            string(APPEND members "    __typeof__(${function}) *${function};\n")
            string(APPEND macros "#undef ${function}\n#define ${function} ${name}_functions.${function}\n")
            string(APPEND names "    \"${function}\",\n")
        endforeach()
        string(APPEND header "struct ${name}_functions {\n${members}};\n"
            "extern struct ${name}_functions ${name}_functions;\n"
            "MUST_CHECK enum vv_rc ${name}_functions_load(struct vv_error *err);\n\n${macros}")
        library_soname(${ARG_LIBRARY} file path)
        debian_package(${path} package depends ${ARG_PACKAGE} "${ARG_VERSION}" ${ARG_FUNCTIONS})
        file(CONFIGURE OUTPUT ${directory}/loaded/${name}_functions.c CONTENT
"/* SPDX-License-Identifier: BSD-2-Clause */
/* Made by lib/load_later.cmake. */
#include \"loaded/${name}_functions.h\"

#include \"core/loaded_library.h\"

struct ${name}_functions ${name}_functions;

static const char *const names[] = {
${names}};

static struct vv_loaded_library library = {
    .file = \"${file}\",
    .purpose = \"${ARG_PURPOSE}\",
    .package = \"${package}\",
    .names = names,
    .count = sizeof(names) / sizeof(names[0]),
    .functions = &${name}_functions,
    .lock = VV_MUTEX_INIT,
};
_Static_assert(sizeof(struct ${name}_functions) == sizeof(names) / sizeof(names[0]) * sizeof(void *),
               \"one pointer a name\");

enum vv_rc
${name}_functions_load(struct vv_error *err)
{
    return vv_loaded_library_open(&library, err);
}
" @ONLY)
        target_sources(varve_${module} PRIVATE ${directory}/loaded/${name}_functions.c)
        set_property(GLOBAL APPEND PROPERTY varve_loaded_packages "${depends}")
        message(STATUS "Opened when needed: ${file} (${depends})")
    else()
        string(APPEND header "static inline MUST_CHECK enum vv_rc\n${name}_functions_load(struct vv_error *err)\n"
            "{\n    (void)err;\n    return VV_OK;\n}\n")
        target_link_libraries(varve INTERFACE ${ARG_LIBRARY})
        set(VARVE_PC_LOADED "${VARVE_PC_LOADED} ${ARG_PKG_CONFIG}" PARENT_SCOPE) # for varve.pc
    endif()
    string(APPEND header "\n#endif\n")
    file(CONFIGURE OUTPUT ${directory}/loaded/${name}_functions.h CONTENT "${header}" @ONLY)
    target_link_libraries(varve_${module} PRIVATE ${ARG_LIBRARY}) # for the path to its headers
    target_include_directories(varve_${module} PRIVATE ${directory})
endfunction()

# library_soname(TARGET OUT-NAME OUT-PATH): what programs linked with it would ask the dynamic loader for.
function(library_soname target out_name out_path)
    get_target_property(libraries ${target} INTERFACE_LINK_LIBRARIES)
    list(GET libraries 0 path)
    execute_process(COMMAND ${CMAKE_READELF} -d ${path} OUTPUT_VARIABLE dynamic ERROR_VARIABLE dynamic)
    if(NOT dynamic MATCHES "\\(SONAME\\)[^[]*\\[([^]]+)\\]")
        message(FATAL_ERROR "no SONAME in '${path}': configure with -DVARVE_LOAD_LATER=OFF\n${dynamic}")
    endif()
    set(${out_name} ${CMAKE_MATCH_1} PARENT_SCOPE)
    set(${out_path} ${path} PARENT_SCOPE)
endfunction()

# debian_package(PATH OUT-PACKAGE OUT-DEPENDS DEFAULT LEAST FUNCTION...): the package that a library is in, and
# what dpkg-shlibdeps would say of a program linked with it ("libpq5 (>= 9.0)"): the newest of the versions in
# which the functions came, and not less than LEAST (may be empty).  Elsewhere than on Debian, DEFAULT.
function(debian_package path out_package out_depends default least)
    set(package ${default})
    find_program(DPKG_QUERY dpkg-query)
    mark_as_advanced(DPKG_QUERY)
    file(REAL_PATH ${path} path)
    if(DPKG_QUERY)
        execute_process(COMMAND ${DPKG_QUERY} -S ${path} OUTPUT_VARIABLE found ERROR_QUIET)
        if(found MATCHES "^([a-z0-9.+-]+)(:[a-z0-9-]+)?: ")
            set(package ${CMAKE_MATCH_1})
            execute_process(COMMAND ${DPKG_QUERY} --control-path ${package}${CMAKE_MATCH_2} symbols
                OUTPUT_VARIABLE symbols OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
        endif()
    endif()
    if(symbols)
        file(STRINGS ${symbols} symbols REGEX "^ ")
        foreach(symbol ${symbols})
            if(symbol MATCHES "^ ([^@]+)@[^ ]+ ([0-9.]+)" AND CMAKE_MATCH_1 IN_LIST ARGN
                    AND CMAKE_MATCH_2 VERSION_GREATER "${least}")
                set(least ${CMAKE_MATCH_2})
            endif()
        endforeach()
    endif()
    set(${out_package} ${package} PARENT_SCOPE)
    if(least)
        string(APPEND package " (>= ${least})")
    endif()
    set(${out_depends} ${package} PARENT_SCOPE)
endfunction()
