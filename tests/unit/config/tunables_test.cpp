// tunables_test.cpp: the list of settings that can be tuned agrees with the readers of the file.
#include "controlplane/config/tunables.h"

#include <gtest/gtest.h>

#include "controlplane/config/changes.h"

namespace millrace::config {
namespace {

constexpr char kFile[] =
    "[dataplane]\n[[dataplane.port]]\nname = 'a'\ndevice = 'null'\n[flow_log]\noutput = 'stdout'\n"
    "[snat.lan]\naddresses = ['10.9.0.1']\n";

LoadResult load_tuned(const std::string& name, const toml::node& value) {
  Changes changes;
  changes.tuned.insert(name, value);
  return parse_config(kFile, "test.toml", &changes);
}

// Values are TOML.
struct Try {
  std::string name;
  std::string good;  // the ends of the range, or the words
  std::string bad;
};

// A range that the list says and the readers do not know would be found here, and a setting that nobody tries, too.
TEST(Tunables, ranges_are_those_of_the_readers) {
  const std::vector<Try> tries = {{"dataplane.idle", "'busy', 'adaptive'", "'asleep'"},
                                  {"dataplane.burst", "1, 64", "65"},
                                  {"timeouts.syn_sent", "'1s', '7d'", "'8d'"},
                                  {"timeouts.syn_received", "'1s', '7d'", "'999ms'"},
                                  {"timeouts.fin_wait", "'1s', '7d'", "'0'"},
                                  {"timeouts.time_wait", "'1s', '7d'", "5"},
                                  {"timeouts.closed", "'1s', '7d'", "'7d1ms'"},
                                  {"logging.level", "'debug', 'info', 'warn', 'error'", "'loud'"},
                                  {"flow_log.rate", "1, 50000", "50001"}};
  ASSERT_EQ(tunables().size(), tries.size());
  for (size_t i = 0; i < tries.size(); ++i) {
    const Tunable& tunable = tunables()[i];
    EXPECT_EQ(tunable.name, tries[i].name);
    const toml::table values = toml::parse("good = [" + tries[i].good + "]\nbad = " + tries[i].bad);
    for (const toml::node& value : *values["good"].as_array()) {
      const LoadResult loaded = load_tuned(tries[i].name, value);
      ASSERT_TRUE(loaded.config) << tunable.name << ": " << format_error(loaded.errors.front());
      const std::string text = value.is_string() ? value.as_string()->get() : std::to_string(value.as_integer()->get());
      EXPECT_EQ(tunable.in_force(*loaded.config), text);
      EXPECT_NE(tunable.range.find(text), std::string::npos) << tunable.name << " " << text;
      EXPECT_EQ(tunable.is_number, value.is_integer());
    }
    const LoadResult loaded = load_tuned(tries[i].name, *values.get("bad"));
    ASSERT_EQ(loaded.errors.size(), 1u) << tunable.name;
    EXPECT_EQ(loaded.errors.front().key, tunable.name);
    EXPECT_FALSE(loaded.errors.front().remedy.empty());
  }
}

TEST(Tunables, defaults_are_in_force_where_nothing_is_written) {
  const LoadResult loaded = parse_config(kFile, "test.toml");
  ASSERT_TRUE(loaded.config);
  for (const Tunable& tunable : tunables()) EXPECT_EQ(tunable.in_force(*loaded.config), tunable.default_text);
  EXPECT_EQ(find_tunable("timeouts.fin_wait")->default_text, "2m");
  EXPECT_EQ(find_tunable("flow_log.rate")->in_force(Config{}), "no flow log");
}

TEST(Tunables, are_found_by_names_like_theirs) {
  EXPECT_EQ(find_tunable("timeouts"), nullptr);
  EXPECT_EQ(find_tunable("api.socket"), nullptr);
  EXPECT_EQ(nearest_tunable("timeouts.syn_snt"), "timeouts.syn_sent");
  EXPECT_EQ(nearest_tunable("level"), "logging.level");
  EXPECT_EQ(nearest_tunable("api.socket"), "");
}

}  // namespace
}  // namespace millrace::config
