// An unpacked image's file system, made fit to stand below sandboxes: nothing in it but files,
// folders and links, no set-user-id bits, and the places where sandboxes mount.
//
// A stranger made the tree; nobody changes it meanwhile. Links are never followed. Blocking; no
// state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace fallow::runtime {

// Readies the tree at `root` and answers the bytes that it takes on the disk. kTooLarge beyond
// bytes_max or kImageFilesMax, kInvalid when it cannot be walked.
Result<std::uint64_t> settle_image_tree(const std::string& root, std::uint64_t bytes_max);

// The mount points alone, where one is missing: of a tree that an earlier version settled.
Status make_image_points(const std::string& root);

inline constexpr std::uint64_t kImageFilesMax = 4'000'000;

// The mount points that every settled tree has: "/work/" is a folder, "/etc/hosts" a file.
const std::vector<std::string>& image_mount_points();

}  // namespace fallow::runtime
