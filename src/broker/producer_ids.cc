#include "broker/producer_ids.h"

namespace weir::broker {

using model::refusal;

void producer_ids::apply(std::int64_t next_block) { next_block_ = next_block; }

void producer_ids::init(const reply_to& to, const model::caller& who, const model::init_producer& c) {
  model::producer_ready out;
  if (!k_.door.allow(who, security::resource::cluster, {}, security::operation::idempotent_write)) {
    out.error = refusal::denied_cluster;
    return to(out);
  }
  // An id without its epoch, an epoch without its id, and an empty transactional id mean nothing.
  if ((c.producer_id == -1) != (c.producer_epoch == -1) || (c.transactional_id && c.transactional_id->empty())) {
    out.error = refusal::invalid_request;
    return to(out);
  }
  if (c.transactional_id) {
    out.error = refusal::unsupported;  // transactions come later
    return to(out);
  }
  // A producer that names its old id gets a new one all the same, as Kafka gives it: without a transactional id nothing
  // says that the old one is its own. It begins again at epoch 0 and sequence 0. (An idempotent producer that must leave a
  // gap behind raises its epoch by itself, KIP-360, and the partitions take that.)
  if (next_ == limit_) {
    model::new_record record;
    record.shard = model::shard_id(0);
    record.state_kind = static_cast<std::uint16_t>(producer_kind::id_block);
    record.state_version = 1;
    const std::int64_t end = next_block_ + block_size;
    record.state = bytes_of(end);
    const std::int64_t begin = next_block_;
    const auto appended = k_.append(record, model::log_store::write_class::essential);
    if (!appended) {
      out.error = refusal_of(appended.error());
      return to(out);
    }
    next_ = begin;
    limit_ = end;
    block_ticket_ = *appended;
  }
  out.producer_id = next_++;
  out.producer_epoch = 0;
  k_.answer(block_ticket_, to, out);
}

}  // namespace weir::broker
