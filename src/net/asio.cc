// The parts of Asio that are no templates, for the whole program: see src/CMakeLists.txt.
#include <boost/asio/impl/src.hpp>
