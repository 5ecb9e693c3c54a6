// Where the console's built pages lie when nobody says.
#pragma once

#include <string>

namespace fallow::bin {

// The first of these that holds an index.html, or nothing:
//   <folder of the program>/console                 copied beside it
//   <folder of the program>/../share/fallow/console  installed
//   <source folder>/web/dist                        the program lies in build/<preset>/src
std::string console_folder();

}  // namespace fallow::bin
