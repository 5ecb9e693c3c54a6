#include "runtime/oci_bundle.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <string_view>

#include "base/json_text.h"
#include "runtime/core_dumps.h"
#include "runtime/driver_files.h"
#include "runtime/host_root.h"
#include "runtime/sandbox.h"
#include "runtime/sandbox_init.h"
#include "runtime/syscalls.h"

namespace fallow::runtime {
namespace {

// The host's users for root and nobody inside. Nobody runs as the first one but the runtime while
// it builds the sandbox; the same for every lease, since nothing of it is left when the command
// begins.
constexpr std::uint32_t kRootUid = 0x6FFFFFFF;
// Inside, the groups of device files are numbered from here.
constexpr std::uint32_t kDeviceGroupFirst = 1000;

void put_texts(JsonText& json, std::string_view name, std::initializer_list<std::string_view> all) {
  json.key(name).open_array();
  for (const std::string_view one : all) json.value(one);
  json.close_array();
}

void put_mount(JsonText& json, std::string_view at, std::string_view type, std::string_view source,
               std::initializer_list<std::string_view> options) {
  json.open_object().key("destination").value(at).key("type").value(type);
  json.key("source").value(source);
  put_texts(json, "options", options);
  json.close_object();
}

void put_process(JsonText& json, const LaunchFile& launch, const OciOptions& options) {
  const agent::LaunchSpec& spec = launch.spec;
  json.key("process").open_object().key("terminal").value(false);
  json.key("user").open_object().key("uid").value(kInnerUid).key("gid").value(kInnerUid);
  json.key("additionalGids").open_array();
  const auto groups = static_cast<std::uint32_t>(device_groups(spec).size());
  for (std::uint32_t i = 0; i < groups; ++i) json.value(kDeviceGroupFirst + i);
  json.close_array().close_object();
  json.key("args").open_array().value(kInitPath);
  json.value(init_tie(options.tie, spec.is_prover));
  for (const std::string& word : spec.command) json.value(word);
  json.close_array().key("env").open_array();
  for (const auto& [name, value] : spec.environment) json.value(name + "=" + value);
  json.close_array().key("cwd").value("/work");
  json.key("noNewPrivileges").value(true).key("oomScoreAdj").value(oom_score_of(spec));
  json.key("capabilities").open_object();
  for (const char* set : {"bounding", "effective", "inheritable", "permitted", "ambient"}) {
    put_texts(json, set, {});
  }
  json.close_object().key("rlimits").open_array();
  const auto put_limit = [&json](std::string_view type, std::uint64_t value) {
    json.open_object().key("type").value(type).key("hard").value(value).key("soft").value(value);
    json.close_object();
  };
  put_limit("RLIMIT_CORE", kCoreBytesMax);
  put_limit("RLIMIT_NOFILE", open_files_max());
  if (spec.disk_bytes_max > 0) put_limit("RLIMIT_FSIZE", spec.disk_bytes_max);
  json.close_array().close_object();
}

// The mounts in their order, and the points for those that the runtime does not make by itself.
void put_mounts(JsonText& json, const LaunchFile& launch, const PrivateFolders& folders,
                const OciOptions& options, std::vector<std::string>& points) {
  const agent::LaunchSpec& spec = launch.spec;
  json.key("mounts").open_array();
  put_mount(json, "/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
  put_mount(
      json, "/dev", "tmpfs", "tmpfs",
      {"nosuid", "strictatime", "mode=755", "size=64k", options.read_only_devices ? "ro" : "rw"});
  put_mount(json, "/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"});
  put_mount(json, "/dev/shm", "tmpfs", "shm",
            {"nosuid", "nodev", "mode=1777", "size=" + std::to_string(shared_memory_bytes(spec))});
  for (const char* folder : {"/proc/", "/dev/", "/work/", "/out/", "/tmp/", "/checkpoint/"})
    points.push_back(folder);
  for (const std::string& path : host_root(spec).shown) {
    struct stat info {};
    const bool is_folder = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    points.push_back(path + (is_folder ? "/" : ""));
    if (is_folder && options.read_only_below) {
      put_mount(json, path, "bind", path,
                {"rbind", "ro", "nosuid", "nodev", "rro", "rnosuid", "rnodev"});
    } else {
      put_mount(json, path, "bind", path, {is_folder ? "rbind" : "bind", "ro", "nosuid", "nodev"});
    }
  }
  if (!folders.root.empty()) {
    for (const auto& [name, text] : inner_etc()) {
      put_mount(json, "/etc/" + name, "bind", folders.etc + "/" + name,
                {"bind", "ro", "nosuid", "nodev"});
    }
    if (launch.spec.network != v1::NETWORK_NONE) {
      put_mount(json, "/etc/resolv.conf", "bind", folders.etc + "/resolv.conf",
                {"bind", "ro", "nosuid", "nodev"});
    }
  }
  if (!launch.driver_files.empty()) {
    // Root's inside, whom the workload never is.
    put_mount(json, kDriverFolder, "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755", "size=1m"});
    for (const auto& [from, at] : launch.driver_files) {
      put_mount(json, at, "bind", from, {"bind", "ro", "nosuid", "nodev"});
    }
  }
  points.emplace_back(kInitPath);
  put_mount(json, kInitPath, "bind", folders.init, {"bind", "ro", "nosuid", "nodev"});
  if (!folders.prover.empty()) {
    points.emplace_back(kProverPath);
    put_mount(json, kProverPath, "bind", folders.prover, {"bind", "ro", "nosuid", "nodev"});
  }
  for (const auto& [at, from] :
       {std::pair<std::string_view, const std::string&>{"/work", folders.work},
        {"/out", folders.out},
        {"/tmp", folders.tmp},
        {"/checkpoint", folders.checkpoint}}) {
    put_mount(json, at, "bind", from, {"bind", "rw", "nosuid", "nodev"});
  }
  json.close_array();
}

void put_ids(JsonText& json, std::string_view name, std::uint32_t uid,
             const std::vector<gid_t>& groups) {
  const auto put = [&json](std::uint32_t inside, std::uint32_t outside) {
    json.open_object().key("containerID").value(inside).key("hostID").value(outside);
    json.key("size").value(1).close_object();
  };
  json.key(name).open_array();
  put(0, kRootUid);
  put(kInnerUid, uid);
  for (std::uint32_t i = 0; i < groups.size(); ++i) put(kDeviceGroupFirst + i, groups[i]);
  json.close_array();
}

// The lease's device files, as they are on the host, and the rule that allows no others. What
// every program needs (/dev/null and its like) the runtime adds by itself.
void put_devices(JsonText& json, const LaunchFile& launch) {
  struct Device {
    const std::string& path;
    struct stat info;
  };
  std::vector<Device> devices;
  for (const std::string& path : launch.spec.device_files) {
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0 && S_ISCHR(info.st_mode)) devices.push_back({path, info});
  }
  json.key("devices").open_array();
  for (const Device& one : devices) {
    json.open_object().key("path").value(one.path).key("type").value("c");
    json.key("major").value(std::uint64_t{major(one.info.st_rdev)});
    json.key("minor").value(std::uint64_t{minor(one.info.st_rdev)}).close_object();
  }
  json.close_array().key("resources").open_object().key("devices").open_array();
  json.open_object().key("allow").value(false).key("access").value("rwm").close_object();
  for (const Device& one : devices) {
    json.open_object().key("allow").value(true).key("type").value("c");
    json.key("major").value(std::uint64_t{major(one.info.st_rdev)});
    json.key("minor").value(std::uint64_t{minor(one.info.st_rdev)});
    json.key("access").value("rw").close_object();
  }
  json.close_array().close_object();
}

void put_linux(JsonText& json, const LaunchFile& launch, const OciOptions& options) {
  const std::vector<gid_t> groups = device_groups(launch.spec);
  json.key("linux").open_object();
  put_ids(json, "uidMappings", launch.uid, {});
  put_ids(json, "gidMappings", launch.uid, groups);
  json.key("namespaces").open_array();
  for (const char* type : {"user", "pid", "ipc", "uts", "mount", "cgroup", "network"}) {
    json.open_object().key("type").value(type);
    if (std::string_view(type) == "network" && !options.network_path.empty()) {
      json.key("path").value(options.network_path);
    }
    json.close_object();
  }
  json.close_array();
  if (!options.cgroups_path.empty()) json.key("cgroupsPath").value(options.cgroups_path);
  put_devices(json, launch);
  json.key("maskedPaths").open_array();
  for (const std::string_view path : kMasked) json.value(path);
  json.close_array().key("readonlyPaths").open_array();
  for (const std::string_view path : kReadOnly) json.value(path);
  json.close_array().key("seccomp");
  put_seccomp(json, options.leaves_clone3);
  json.close_object();
}

// The point and every folder above it.
Status make_point(const std::string& root, const std::string& point) {
  for (std::size_t at = point.find('/', 1); at != std::string::npos; at = point.find('/', at + 1)) {
    FALLOW_TRY(make_open_folder(root + point.substr(0, at)));
  }
  if (point.ends_with('/')) return {};
  return write_open_file(root + point, "");
}

Status make_skeleton(const LaunchFile& launch, const std::string& root,
                     const std::vector<std::string>& points) {
  FALLOW_TRY(make_open_folder(root));
  for (const std::string& point : points) FALLOW_TRY(make_point(root, point));
  FALLOW_TRY(make_open_folder(root + "/etc"));
  for (const auto& [name, text] : inner_etc()) {
    FALLOW_TRY(write_open_file(root + "/etc/" + name, text));
  }
  if (launch.spec.network != v1::NETWORK_NONE) {
    FALLOW_TRY(write_open_file(root + "/etc/resolv.conf", resolv_conf(launch.egress)));
  }
  for (const auto& [path, target] : host_root(launch.spec).links) {
    if (::symlink(target.c_str(), (root + path).c_str()) != 0) {
      return tl::unexpected(file_error("make", root + path, errno));
    }
  }
  return {};
}

}  // namespace

std::string oci_config(const LaunchFile& launch, const PrivateFolders& folders,
                       const OciOptions& options, const std::string& root,
                       std::vector<std::string>& mount_points) {
  JsonText json;
  json.open_object().key("ociVersion").value("1.0.2").key("hostname").value("fallow");
  json.key("root").open_object().key("path").value(root);
  json.key("readonly").value(!folders.root_writable);
  json.close_object();
  put_process(json, launch, options);
  put_mounts(json, launch, folders, options, mount_points);
  put_linux(json, launch, options);
  return json.close_object().text();
}

Result<std::string> make_oci_bundle(const LaunchFile& launch, const PrivateFolders& folders,
                                    const OciOptions& options) {
  if (folders.stage.empty() || folders.init.empty()) {
    return fail(ErrorCode::kFailed, "the agent may make no mounts here; run it as root");
  }
  const std::string bundle = folders.stage + "/bundle";
  // An image has its mount points: runtime/image_tree.h.
  const std::string root = folders.root.empty() ? folders.stage + "/root" : folders.root;
  FALLOW_TRY(make_open_folder(bundle));
  std::vector<std::string> points;
  const std::string config = oci_config(launch, folders, options, root, points);
  if (folders.root.empty()) FALLOW_TRY(make_skeleton(launch, root, points));
  FALLOW_TRY(write_open_file(bundle + "/config.json", config));
  return bundle;
}

}  // namespace fallow::runtime
