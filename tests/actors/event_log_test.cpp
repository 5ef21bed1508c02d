#include "actors/event_log.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace rookery::actors {
namespace {

using Json = nlohmann::json;

TEST(EventLogTest, GivesWhatIsNewerThanTheCallerHas) {
  EventLog log;
  log.add({EventLevel::kInfo, "one"}, 100);
  log.add({EventLevel::kWarn, "two"}, 200);
  log.add({EventLevel::kError, "three"}, 300);

  const auto json = Json::parse(log.json(1));
  EXPECT_EQ(json.at("newest"), 3);
  ASSERT_EQ(json.at("events").size(), 2U);
  EXPECT_EQ(json.at("events")[0].at("text"), "two");
  EXPECT_EQ(json.at("events")[0].at("level"), "warn");
  EXPECT_EQ(json.at("events")[1].at("time_ms"), 300);
  EXPECT_TRUE(Json::parse(log.json(3)).at("events").empty());
}

TEST(EventLogTest, ForgetsTheOldestAndCutsLongTexts) {
  EventLog log;
  const auto count = static_cast<std::int64_t>(EventLog::kEventsMax) + 50;
  for (std::int64_t i = 1; i <= count; ++i) {
    log.add({EventLevel::kInfo, std::string(EventLog::kTextBytesMax + 100, 'x')}, i);
  }
  const auto json = Json::parse(log.json(0));
  ASSERT_EQ(json.at("events").size(), EventLog::kEventsMax);
  EXPECT_EQ(json.at("events").front().at("seq"), 51);
  EXPECT_EQ(json.at("events").back().at("seq"), count);
  EXPECT_EQ(json.at("events").back().at("text").get<std::string>().size(), EventLog::kTextBytesMax);
}

TEST(EventLogTest, IsJsonWhateverBytesATextHas) {
  EventLog log;
  log.add({EventLevel::kWarn, std::string("\"\xff\xfe</script>\n\0", 14)}, 1);
  EXPECT_TRUE(Json::accept(log.json(0)));
}

}  // namespace
}  // namespace rookery::actors
