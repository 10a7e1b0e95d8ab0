// Between the core and the group coordinator: which shard a group lives in, rights, and the core's services to it.
// Owner thread: the core's reactor.
#pragma once

#include <string_view>

#include "broker/groups/coordinator.h"
#include "broker/kernel.h"

namespace weir::broker {

// The shard of a group; never changes while a data folder keeps its number of shards.
[[nodiscard]] model::shard_id shard_of_group(std::string_view vhost, std::string_view group, std::uint32_t shards);

class group_desk final : public group_journal, public topic_directory {
 public:
  explicit group_desk(kernel& k);

  [[nodiscard]] group_coordinator& coordinator() { return coordinator_; }

  // Whatever group they name must live on this reactor.
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::join_group& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::sync_group& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::heartbeat& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::leave_group& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::commit_offsets& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::fetch_offsets& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::describe_groups& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::delete_groups& c);
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::delete_group_offsets& c);
  // All groups of this reactor.
  void handle(const reply_to& to, const model::caller& who, waiter_id w, const model::list_groups& c);

  // group_journal
  [[nodiscard]] result<model::ticket> append(model::shard_id shard, std::uint16_t state_kind,
                                             std::uint8_t state_version, bytes state) override;
  [[nodiscard]] model::ticket durable_ticket() const override;
  void when_durable(model::ticket at, task t) override;
  // topic_directory
  [[nodiscard]] entry find(const model::caller& who, const model::topic_ref& topic) const override;
  [[nodiscard]] std::string_view name(const model::uuid& id) const override;

 private:
  [[nodiscard]] bool may(const model::caller& who, std::string_view group, security::operation how) const;
  [[nodiscard]] model::shard_id shard(const model::caller& who, std::string_view group) const;

  kernel& k_;
  group_coordinator coordinator_;
};

}  // namespace weir::broker
