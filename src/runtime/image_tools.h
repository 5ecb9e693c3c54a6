// skopeo and umoci as processes, each in a bubblewrap sandbox of its own: what a registry and an
// image say is a stranger's, and neither program shall reach more of this machine than the folder
// that they work in. No shell; time, output and file sizes are limited.
//
// Blocking; any thread. Immutable.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "agent/images.h"
#include "base/result.h"
#include "runtime/image_name.h"

namespace fallow::runtime {

struct ImageToolPaths {
  std::string skopeo = "/usr/bin/skopeo";
  std::string umoci = "/usr/bin/umoci";
  std::string bwrap = "/usr/bin/bwrap";
  std::string prlimit = "/usr/bin/prlimit";
};

// Asked a few times a second while a program runs; false ends it.
using GoOn = std::function<bool()>;

class ImageTools {
 public:
  // `work_folder`, absolute, is all that the programs may write to; they see it as /pull.
  ImageTools(ImageToolPaths paths, std::string work_folder, std::uint64_t file_bytes_max)
      : paths_(std::move(paths)),
        work_folder_(std::move(work_folder)),
        file_bytes_max_(file_bytes_max) {}

  // Each tried; empty: all of them work, else what is missing and how to get it.
  std::string why_not() const;

  // A source for skopeo: where it is, and how to get in.
  struct Source {
    const ImageName& name;
    const agent::ImageWish& wish;
    bool plain_http = false;  // the registry is a neighbour that the provider allowed
  };
  // The exact bytes of the manifest that the name stands for, or of the one with this digest.
  // <work>/<place>/var, here and below, takes temporary files.
  Result<std::string> manifest(const Source& source, const std::string& digest,
                               const std::string& place, const GoOn& go_on) const;
  // Brings the image to the OCI layout <work>/<place>/layout, its blobs to <work>/blobs/sha256.
  // Those that are there already are not fetched again.
  Status copy(const Source& source, const std::string& digest, const std::string& place,
              const GoOn& go_on) const;
  // Unpacks that layout's image to <work>/<place>/rootfs: no devices, all owned by the caller.
  Status unpack(const std::string& place, const GoOn& go_on) const;

 private:
  struct Sandboxed;
  Result<std::string> run(const Sandboxed& what) const;

  const ImageToolPaths paths_;
  const std::string work_folder_;
  const std::uint64_t file_bytes_max_;
};

// What a program's error output says of whom it is to be charged to; codes as agent/images.h has
// them. The sentence is for the renter.
Error image_error(std::string_view err);

}  // namespace fallow::runtime
