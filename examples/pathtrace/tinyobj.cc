#define TINYOBJLOADER_IMPLEMENTATION
#include "pathtrace/tinyobj.h"
