// settings_tables.cpp: the small tables: [logging], [flow_log], [metrics], [timeouts], [defaults].
#include "controlplane/config/tables.h"

namespace millrace::config {

namespace {

bool is_file_path(const std::string& text) {
  return !text.empty() && text.front() == '/' && text.find('\0') == std::string::npos;
}

}  // namespace

void read_logging_table(TableReader& table, LoggingConfig& logging) {
  static constexpr Choice<LogLevel> kLevels[] = {
      {"debug", LogLevel::debug}, {"info", LogLevel::info}, {"warn", LogLevel::warn}, {"error", LogLevel::error}};
  static constexpr Choice<bool> kFormats[] = {{"text", false}, {"json", true}};
  logging.level = table.read_choice("level", kLevels).value_or(logging.level);
  logging.json = table.read_choice("format", kFormats).value_or(logging.json);
  if (std::optional<Text> output = table.read_text("output")) {
    const std::string& to = output->text;
    if (to == "stdout" || to == "stderr" || is_file_path(to))
      logging.output = to;
    else
      table.errors().add(output->origin, quote(to) + " is no place to log to",
                         "write stdout, stderr or a path that begins with /");
  }
  table.finish();
}

void read_flow_log_table(TableReader& table, FlowLogConfig& flow_log) {
  constexpr char kRemedy[] =
      "write stdout, syslog or a path that begins with /; without [flow_log] there is no flow log";
  const std::optional<Text> output = table.read_text("output");
  if (!output && !table.has("output")) table.report_missing("output", kRemedy);
  if (output && output->text != "stdout" && output->text != "syslog" && !is_file_path(output->text))
    table.errors().add(output->origin, quote(output->text) + " is no place to log to", kRemedy);
  else if (output)
    flow_log.output = output->text;
  flow_log.lines_a_second =
      static_cast<uint32_t>(table.read_integer("rate", 1, kFlowLogRateMax).value_or(flow_log.lines_a_second));
  table.finish();
}

void read_metrics_table(TableReader& table, MetricsConfig& metrics) {
  metrics.enabled = table.read_bool("enabled").value_or(metrics.enabled);
  if (const std::optional<Text> text = table.read_text("bind")) {
    Parsed<Endpoint> parsed = parse_listen_endpoint(text->text);
    if (parsed.value)
      metrics.bind = *parsed.value;
    else
      table.errors().add(text->origin, std::move(parsed.problem), std::move(parsed.remedy));
  }
  table.finish();
}

void read_timeouts_table(TableReader& table, SettingsCommand& timeouts) {
  const auto read = [&](std::string_view key, uint32_t& timeout_ms) {
    timeout_ms = table.read_duration_ms(key, kSecondMs, kWeekMs, false).value_or(timeout_ms);
  };
  read("syn_sent", timeouts.syn_sent_timeout_ms);
  read("syn_received", timeouts.syn_received_timeout_ms);
  read("fin_wait", timeouts.fin_wait_timeout_ms);
  read("time_wait", timeouts.time_wait_timeout_ms);
  read("closed", timeouts.closed_timeout_ms);
  table.finish();
}

void read_connection_options(TableReader& table, ConnectionOptions& options) {
  const auto read = [&](std::string_view key, std::optional<uint32_t>& timeout_ms) {
    if (const auto written = table.read_duration_ms(key, kSecondMs, kWeekMs, true)) timeout_ms = written;
  };
  read("client_idle_timeout", options.client_idle_timeout_ms);
  read("backend_idle_timeout", options.backend_idle_timeout_ms);
  // A connection attempt may be given up faster than an idle connection.
  if (const auto written = table.read_duration_ms("backend_connection_timeout", 1, kWeekMs, true))
    options.backend_connection_timeout_ms = written;
  if (const auto written = table.read_integer("max_connections", 0, UINT32_MAX))
    options.connections_max = static_cast<uint32_t>(*written);
}

}  // namespace millrace::config
