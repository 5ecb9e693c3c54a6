// GET /v1/forecast: what is likely of each class in the hours to come.
#include <algorithm>
#include <utility>

#include "base/number.h"
#include "core/query.h"
#include "fallow/v1/services.pb.h"
#include "server/class_forecast.h"
#include "server/handlers.h"
#include "server/pages.h"
#include "server/views.h"

namespace fallow::server {
namespace {

// A class is learned anew for each page that it is on, some milliseconds each.
constexpr std::size_t kClassesPerPage = 32;
constexpr std::uint32_t kHoursDefault = 24;

// Where a page begins: with this hour of the class, or with the class behind it.
struct Position {
  core::PriceClass of;
  std::int64_t hour = 0;  // since 1970; 0: the class is done
};

std::string text_of(const Position& position) {
  return page_token("forecast", fmt::format("{}:{}:{}{}", position.hour, position.of.model.size(),
                                            position.of.model, position.of.region));
}

Answer<Position> position_of(const std::string& token) {
  Position position;
  FALLOW_ASSIGN(const std::string name, page_name("forecast", token));
  if (name.empty()) return position;
  const auto foreign = [] {
    return refuse_field("page_token", "this is not a next_page_token of this list");
  };
  const std::string_view text = name;
  const std::size_t first = text.find(':');
  const std::size_t second = first == text.npos ? first : text.find(':', first + 1);
  if (second == text.npos) return foreign();
  const auto hour = parse_number<std::int64_t>(text.substr(0, first));
  const auto bytes = parse_number<std::size_t>(text.substr(first + 1, second - first - 1));
  if (!hour || *hour < 0 || !bytes || *bytes > text.size() - second - 1) return foreign();
  position.hour = *hour;
  position.of.model = text.substr(second + 1, *bytes);
  position.of.region = text.substr(second + 1 + *bytes);
  return position;
}

void put_band(v1::LikelyView& view, const Band& band) {
  view.set_p10(band.p10);
  view.set_p50(band.p50);
  view.set_p90(band.p90);
}

v1::ForecastView forecast_view(const core::PriceClass& of, const ClassForecast& forecast,
                               std::int64_t hour) {
  const HourOutlook outlook = forecast.at(hour);
  v1::ForecastView view;
  *view.mutable_at() = timestamp_of(Time{hour * kHour.value});
  view.set_model(of.model);
  view.set_region(of.region);
  put_band(*view.mutable_free_share(), outlook.free_share);
  put_band(*view.mutable_devices_offered(), outlook.offered);
  put_band(*view.mutable_demand(), outlook.demand);
  view.set_use(outlook.use);
  view.set_days_known(forecast.days_known());
  return view;
}

struct Asked {
  std::string model;  // canonical; empty: every one
  std::string region;
  std::int64_t now_hour = 0;
  std::int64_t hours = 0;
  std::size_t rows = 0;
  Position from;
};

// The hours of one class from `from` on; the hour at which the page was full, or 0.
std::int64_t add_class(v1::ListForecastResponse& response, const core::PriceClass& of,
                       const ClassForecast& forecast, const Asked& asked, std::int64_t from) {
  for (std::int64_t hour = from; hour < asked.now_hour + asked.hours; ++hour) {
    if (static_cast<std::size_t>(response.hours_size()) == asked.rows) return hour;
    *response.add_hours() = forecast_view(of, forecast, hour);
  }
  return 0;
}

Result<v1::ListForecastResponse> read_page(HourHistory& history, const Asked& asked) {
  v1::ListForecastResponse response;
  std::vector<core::PriceClass> classes;
  if (asked.from.hour > 0) classes.push_back(asked.from.of);
  FALLOW_ASSIGN(auto behind, history.classes_after(asked.from.of, kClassesPerPage));
  const bool more = behind.size() == kClassesPerPage;
  classes.insert(classes.end(), std::make_move_iterator(behind.begin()),
                 std::make_move_iterator(behind.end()));
  for (const core::PriceClass& of : classes) {
    const bool wanted = (asked.model.empty() || asked.model == of.model) &&
                        (asked.region.empty() || asked.region == of.region);
    if (!wanted) continue;
    FALLOW_ASSIGN(const auto hours, history.hours(of, asked.now_hour - kForecastWindowHours));
    const auto forecast = ClassForecast::learn(hours, asked.now_hour);
    if (!forecast) continue;
    const bool goes_on = asked.from.hour > 0 && of == asked.from.of;
    const std::int64_t from = goes_on ? std::max(asked.from.hour, asked.now_hour) : asked.now_hour;
    if (const std::int64_t full = add_class(response, of, *forecast, asked, from); full > 0) {
      response.set_next_page_token(text_of({of, full}));
      return response;
    }
  }
  if (more) response.set_next_page_token(text_of({classes.back(), 0}));
  return response;
}

net::Task<Answer<v1::ListForecastResponse>> list_forecast(Call& call,
                                                          const v1::ListForecastRequest& request) {
  Asked asked;
  FALLOW_CO_ASSIGN(asked.rows, page_size_of(request.page_size()));
  FALLOW_CO_ASSIGN(asked.from, position_of(request.page_token()));
  if (request.hours() > kWeekHours) {
    co_return refuse_field("hours", "{} hours: a forecast reaches {} hours, a week, ahead",
                           request.hours(), kWeekHours);
  }
  asked.hours = request.hours() == 0 ? kHoursDefault : request.hours();
  asked.model = core::canonical_word(request.model());
  asked.region = request.region();
  asked.now_hour = call.now().us / kHour.value;
  const std::function<Answer<v1::ListForecastResponse>()> read =
      [&]() -> Answer<v1::ListForecastResponse> {
    auto page = read_page(*call.parts().hours, asked);
    if (!page) return tl::unexpected(problem_of(page.error(), "read the forecast"));
    return std::move(*page);
  };
  co_return co_await call.on_disk(read);
}

}  // namespace

void add_forecast_handlers(Handlers& handlers) {
  handlers.add("Market.ListForecast", list_forecast);
}

}  // namespace fallow::server
