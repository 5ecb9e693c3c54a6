// The parts of Asio and Beast that are no templates, for the whole program: see src/CMakeLists.txt.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
