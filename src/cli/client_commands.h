// The commands that speak Kafka's protocol to a broker: bench produce|consume|both|latency, topic, group, pub, sub, tail,
// peek. One file (pair) per group; add_client_commands adds them all.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "cli/commands.h"
#include "cli/kafka_client.h"

namespace weir::cli {

void add_client_commands(CLI::App& app, run_state& run);  // client_commands.cc

void add_load_commands(CLI::App& app, run_state& run);   // bench_commands.cc
void add_topic_commands(CLI::App& app, run_state& run);  // topic.cc
void add_group_commands(CLI::App& app, run_state& run);  // group.cc
void add_pub_command(CLI::App& app, run_state& run);     // pub.cc
void add_read_commands(CLI::App& app, run_state& run);   // sub.cc: sub, tail, peek

// `-b/--brokers`, default 127.0.0.1:9092 or WEIR_BROKERS. `brokers` must live as long as the application.
void add_brokers_flag(CLI::App& command, std::string& brokers);
// Parses the addresses and connects.
[[nodiscard]] result<std::unique_ptr<kafka_client>> connect_to(const std::string& brokers);
int complain(const fault& f);

// How many partitions a topic has; the fault says so when there is no such topic.
[[nodiscard]] result<std::int32_t> partitions_of(kafka_client& client, const std::string& topic);

}  // namespace weir::cli
