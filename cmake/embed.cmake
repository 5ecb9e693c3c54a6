# cmake -DOUT=kernel_source.h -DIN="a;b" -DNAMESPACE=fallow::x -DNAME=kKernelSource -P embed.cmake: the
# files' bytes, one after the other, as the C++ array of that name; its size is <NAME>Bytes.
set(hex "")
foreach(file IN LISTS IN)
  file(READ ${file} content HEX)
  string(APPEND hex "${content}")
endforeach()
string(LENGTH "${hex}" digits)
math(EXPR bytes "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," list "${hex}")
string(REGEX REPLACE "((0x..,){20})" "\\1\n" list "${list}")
file(WRITE ${OUT}
  "// Written by embed.cmake.\n#pragma once\n#include <cstddef>\nnamespace ${NAMESPACE} {\n"
  "inline constexpr std::size_t ${NAME}Bytes = ${bytes};\n"
  "inline constexpr char ${NAME}[] = {\n${list}0};\n}  // namespace ${NAMESPACE}\n")
