# cmake -DINPUT=a.json -DOUTPUT=a.c -DHEADER=path/a.h -DNAME=a -P EmbedFile.cmake
# Writes `const char a[]`, the bytes of INPUT and a NUL, and `const size_t a_length`. HEADER declares both.
file(READ "${INPUT}" bytes HEX)
string(LENGTH "${bytes}" digits)
math(EXPR length "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nconst char ${NAME}[] = {${bytes}'\\0'};\nconst size_t ${NAME}_length = ${length};\n")
