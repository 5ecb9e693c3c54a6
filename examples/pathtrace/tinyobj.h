// tinyobjloader, compiled into this program: the machine that renders need not have it.
#pragma once

// Surveyed models lie far from the origin: doubles until they are centred.
#define TINYOBJLOADER_USE_DOUBLE
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <tiny_obj_loader.h>
#pragma GCC diagnostic pop
