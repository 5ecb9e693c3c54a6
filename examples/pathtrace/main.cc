// pathtrace: renders one tile of a picture per task, and joins the tiles.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "pathtrace/opencl.h"
#include "pathtrace/picture.h"
#include "pathtrace/render.h"

namespace fallow::pathtrace {
namespace {

struct RenderOptions {
  std::string scene;
  std::string out = ".";
  std::string device = "auto";
  Frame frame;
  std::uint32_t task = 0;
  std::uint32_t tasks = 1;
};

// The market streams stdout while a task runs: whole lines, at once.
template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  const std::string line = fmt::format(format, std::forward<Args>(args)...) + "\n";
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fflush(stdout);
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Status render(const RenderOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  FALLOW_ASSIGN(const Scene scene, read_scene(options.scene, options.frame));
  for (const std::string& warning : scene.warnings) say("warning: {}", warning);
  say("scene {}: {} triangles, {}x{}, {} samples, seed {}",
      std::filesystem::path(options.scene).filename().string(), scene.triangles.size(),
      options.frame.width, options.frame.height, options.frame.samples, options.frame.seed);
  auto reference = host_tracer(scene);
  std::unique_ptr<Tracer> tracer;
  if (options.device == "host") {
    tracer = std::move(reference);
  } else {
    opencl::prepare_pocl();
    FALLOW_ASSIGN(tracer, opencl_tracer(options.device, scene));
    FALLOW_TRY(check_tracer(*tracer, *reference, options.frame, options.task, options.tasks));
  }
  const std::string label = fmt::format("tile {}/{}", options.task + 1, options.tasks);
  say("{}: on {}, ready after {:.1f} s", label, tracer->name(), seconds_since(start));
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t told = 0;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    const std::uint64_t tenth = done * 10 / total;
    if (tenth == told) return;
    told = tenth;
    say("{}: {}% {:.2f} Mpaths/s", label, done * 100 / total,
        static_cast<double>(done) / 1e6 / std::max(1e-6, seconds_since(begin)));
  };
  FALLOW_ASSIGN(const Tile tile,
                render_tile(*tracer, scene, options.frame, options.task, options.tasks, progress));
  FALLOW_ASSIGN(const std::string path, write_tile(options.out, tile));
  say("{}: wrote {} after {:.1f} s", label, path, seconds_since(start));
  return {};
}

// Folders stand for the tiles within, however deep: a job's output has a folder for each task.
Result<std::vector<std::string>> tile_files(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    std::error_code error;
    if (!std::filesystem::is_directory(input, error)) {
      files.push_back(input);
      continue;
    }
    const std::size_t before = files.size();
    for (auto entry = std::filesystem::recursive_directory_iterator(input, error);
         !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error))
      if (entry->path().extension() == ".fpt") files.push_back(entry->path().string());
    if (error) return fail(ErrorCode::kFailed, "cannot list {}: {}", input, error.message());
    if (files.size() == before)
      return fail(ErrorCode::kNotFound, "the folder {} has no tiles (*.fpt)", input);
  }
  return files;
}

Status assemble_files(const std::string& out, const std::vector<std::string>& inputs) {
  FALLOW_ASSIGN(const auto files, tile_files(inputs));
  std::vector<Tile> tiles;
  for (const std::string& file : files) {
    FALLOW_ASSIGN(Tile tile, read_tile(file));
    tiles.push_back(std::move(tile));
  }
  FALLOW_ASSIGN(const Picture picture, assemble(tiles));
  FALLOW_TRY(write_png(out, picture));
  say("{}: {}x{} of {} tiles, pixels {}", out, picture.width, picture.height, tiles.size(),
      to_hex(picture.digest()));
  return {};
}

void list_devices() {
  opencl::prepare_pocl();
  const auto devices = opencl::all_devices();
  if (devices.empty())
    say("no OpenCL device: install your GPU's OpenCL driver, or pocl-opencl-icd");
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const opencl::DeviceInfo& info = devices[i].info;
    say("{}: {} ({}, {}){}{}", i, info.name, info.platform, info.driver, info.is_gpu ? " GPU" : "",
        info.usable ? "" : " not usable");
  }
  say("host: this processor, one thread, without OpenCL");
}

int run(int argc, char** argv) {
  CLI::App app{
      "Renders a Wavefront OBJ, one tile per task; the picture is the same to the bit "
      "on every device.\n"
      "Example: pathtrace render --scene field.obj --task 0 --tasks 12 --out tiles"};
  app.require_subcommand(1);

  RenderOptions options;
  CLI::App* render_command = app.add_subcommand("render", "Render one tile to DIR/tile-NNNNN.fpt");
  render_command->add_option("--scene", options.scene, "Wavefront OBJ; its MTL lies beside it")
      ->required();
  render_command->add_option("--task", options.task, "Which tile, from 0")->envname("FALLOW_TASK");
  render_command->add_option("--tasks", options.tasks, "Into how many the frame is cut")
      ->envname("FALLOW_TASKS");
  render_command->add_option("--out", options.out, "Folder for the tile")->envname("FALLOW_OUT");
  render_command->add_option("--width", options.frame.width, "Pixels")->capture_default_str();
  render_command->add_option("--height", options.frame.height, "Pixels")->capture_default_str();
  render_command->add_option("--samples", options.frame.samples, "Paths a pixel")
      ->capture_default_str();
  render_command->add_option("--seed", options.frame.seed, "Of the noise")->capture_default_str();
  render_command->add_option("--frame", options.frame.frame, "Number of the frame: other noise")
      ->capture_default_str();
  render_command
      ->add_option("--device", options.device,
                   "auto, host, or a number or part of a name from 'pathtrace devices'")
      ->capture_default_str();

  std::string picture = "picture.png";
  std::vector<std::string> tiles;
  CLI::App* assemble_command = app.add_subcommand("assemble", "Join the tiles of a frame to a PNG");
  assemble_command->add_option("--out", picture, "The PNG")->capture_default_str();
  assemble_command->add_option("tiles", tiles, "Tile files, or folders with them")->required();

  CLI::App* devices_command = app.add_subcommand("devices", "List what can render here");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  Status status;
  if (render_command->parsed()) status = render(options);
  if (assemble_command->parsed()) status = assemble_files(picture, tiles);
  if (devices_command->parsed()) list_devices();
  if (status) return 0;
  fmt::print(stderr, "pathtrace: {}\n", status.error().message);
  return status.error().code == ErrorCode::kInvalid ? 2 : 1;
}

}  // namespace
}  // namespace fallow::pathtrace

int main(int argc, char** argv) {
  try {
    return fallow::pathtrace::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pathtrace: {}\n", error.what());
    return 1;
  }
}
