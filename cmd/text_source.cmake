# cmake -DTEXT=FILE -DNAME=NAME -DOUT=FILE -P text_source.cmake: C source of the text as an array of that name.
file(READ ${TEXT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "((0x[0-9a-f][0-9a-f],){20})" "\\1\n    " bytes "${bytes}")
file(WRITE ${OUT} "#include \"completion.h\"\n\nconst char ${NAME}[] = {\n    ${bytes}0};\n")
