#include "cli/client_commands.h"

namespace weir::cli {

void add_client_commands(CLI::App& app, run_state& run) {
  add_topic_commands(app, run);
  add_group_commands(app, run);
  add_pub_command(app, run);
  add_read_commands(app, run);
  add_load_commands(app, run);
}

void add_brokers_flag(CLI::App& command, std::string& brokers) {
  if (brokers.empty()) brokers = "127.0.0.1:9092";
  command
      .add_option("-b,--brokers", brokers, "the broker's address; several with commas, the first that answers is used")
      ->envname("WEIR_BROKERS")
      ->capture_default_str()
      ->type_name("HOST:PORT");
}

result<std::unique_ptr<kafka_client>> connect_to(const std::string& brokers) {
  const auto to = parse_addresses(brokers);
  if (!to) return to.error();
  return kafka_client::connect(*to);
}

int complain(const fault& f) { return complain(f.text.empty() ? f.describe() : f.text); }

result<std::int32_t> partitions_of(kafka_client& client, const std::string& topic) {
  kafka::metadata_request ask;
  ask.topics.emplace().push_back({.topic_id = {}, .name = topic});
  ask.allow_auto_topic_creation = false;
  const auto seen = client.call<kafka::metadata_response>(ask);
  if (!seen) return seen.error();
  for (const auto& t : seen->message.topics) {
    if (t.error_code != kafka::error_code::none)
      return fault(errc::not_found, "topic " + topic + ": " + explain(t.error_code));
    return static_cast<std::int32_t>(t.partitions.size());
  }
  return fault(errc::not_found, "there is no topic " + topic + "; see: weir topic list");
}

}  // namespace weir::cli
