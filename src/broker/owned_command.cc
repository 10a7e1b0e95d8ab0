#include "broker/owned_command.h"

#include <algorithm>

namespace weir::broker {
namespace {

// Pieces grow with what there is already: a small command takes little.
constexpr std::size_t first_piece_bytes = 256;
constexpr std::size_t piece_bytes = 4096;

using text = std::string_view;

void keep(arena& m, text& s) { s = m.text(s); }
void keep(arena& m, std::optional<text>& s) {
  if (s) s = m.text(*s);
}
void keep(arena& m, bytes& b) { b = m.data(b); }
void keep(arena& m, model::topic_ref& t) { keep(m, t.name); }
void keep(arena& m, std::vector<text>& list) {
  for (text& s : list) keep(m, s);
}

// Commands whose items only name topics.
template<class Command>
void keep_topics(arena& m, Command& c) {
  for (auto& i : c.items) keep(m, i.topic);
}

void keep(arena& m, model::describe_topics& c) {
  if (!c.topics) return;
  for (auto& t : *c.topics) keep(m, t);
}
void keep(arena& m, model::create_topics& c) {
  for (auto& t : c.topics) {
    keep(m, t.name);
    for (auto& [name, value] : t.configs) {
      keep(m, name);
      keep(m, value);
    }
  }
}
void keep(arena& m, model::delete_topics& c) {
  for (auto& t : c.topics) keep(m, t);
}
void keep(arena& m, model::grow_topics& c) {
  for (auto& t : c.topics) keep(m, t.name);
}
void keep(arena& m, model::describe_configs& c) {
  for (auto& i : c.items) {
    keep(m, i.name);
    if (i.keys) keep(m, *i.keys);
  }
}
void keep(arena& m, model::alter_configs& c) {
  for (auto& i : c.items) {
    keep(m, i.name);
    for (auto& change : i.changes) {
      keep(m, change.name);
      keep(m, change.value);
    }
  }
}
void keep(arena& m, model::produce& c) {
  for (auto& i : c.items) {
    keep(m, i.topic);
    keep(m, i.entry);
  }
}
void keep(arena& m, model::fetch& c) { keep_topics(m, c); }
void keep(arena& m, model::list_offsets& c) { keep_topics(m, c); }
void keep(arena& m, model::epoch_ends& c) { keep_topics(m, c); }
void keep(arena& m, model::delete_records& c) { keep_topics(m, c); }
void keep(arena& m, model::describe_producers& c) { keep_topics(m, c); }
void keep(arena& m, model::init_producer& c) { keep(m, c.transactional_id); }
void keep(arena& m, model::describe_log_dirs& c) {
  if (!c.items) return;
  for (auto& i : *c.items) keep(m, i.topic);
}
void keep(arena& m, model::join_group& c) {
  keep(m, c.group);
  keep(m, c.member);
  keep(m, c.instance);
  keep(m, c.client_id);
  keep(m, c.protocol_type);
  for (auto& p : c.protocols) {
    keep(m, p.name);
    keep(m, p.metadata);
  }
  keep(m, c.reason);
}
void keep(arena& m, model::sync_group& c) {
  keep(m, c.group);
  keep(m, c.member);
  keep(m, c.instance);
  keep(m, c.protocol_type);
  keep(m, c.protocol);
  for (auto& a : c.assignments) {
    keep(m, a.member);
    keep(m, a.data);
  }
}
void keep(arena& m, model::heartbeat& c) {
  keep(m, c.group);
  keep(m, c.member);
  keep(m, c.instance);
}
void keep(arena& m, model::leave_group& c) {
  keep(m, c.group);
  for (auto& i : c.members) {
    keep(m, i.id);
    keep(m, i.instance);
    keep(m, i.reason);
  }
}
void keep(arena& m, model::commit_offsets& c) {
  keep(m, c.group);
  keep(m, c.member);
  keep(m, c.instance);
  for (auto& i : c.items) {
    keep(m, i.topic);
    keep(m, i.metadata);
  }
}
void keep(arena& m, model::fetch_offsets& c) {
  keep(m, c.group);
  if (!c.items) return;
  for (auto& i : *c.items) keep(m, i.topic);
}
void keep(arena& m, model::describe_groups& c) { keep(m, c.groups); }
void keep(arena& m, model::list_groups& c) {
  keep(m, c.states);
  keep(m, c.types);
}
void keep(arena& m, model::delete_groups& c) { keep(m, c.groups); }
void keep(arena& m, model::delete_group_offsets& c) {
  keep(m, c.group);
  keep_topics(m, c);
}

// The memory of a command's own list; lists within its items are small beside what they name.
template<class Command>
std::size_t bytes_of_list(const Command& c) {
  const auto of = [](const auto& list) { return list.capacity() * sizeof(*list.data()); };
  std::size_t n = 0;
  if constexpr (requires { c.items.size(); }) n += of(c.items);
  if constexpr (requires { c.items->size(); }) n += c.items ? of(*c.items) : 0;
  if constexpr (requires { c.groups.size(); }) n += of(c.groups);
  if constexpr (requires { c.topics.size(); }) n += of(c.topics);
  if constexpr (requires { c.topics->size(); }) n += c.topics ? of(*c.topics) : 0;
  return n;
}

}  // namespace

bytes arena::data(bytes b) {
  if (b.empty()) return {};
  if (b.size() > left_) {
    const std::size_t n = std::max(b.size(), std::clamp(size_, first_piece_bytes, piece_bytes));
    pieces_.push_back(std::make_unique_for_overwrite<std::byte[]>(n));
    next_ = pieces_.back().get();
    left_ = n;
    size_ += n;
  }
  std::memcpy(next_, b.data(), b.size());
  const bytes out(next_, b.size());
  next_ += b.size();
  left_ -= b.size();
  return out;
}

std::string_view arena::text(std::string_view s) { return as_text(data(as_bytes(s))); }

std::unique_ptr<owned_command> own(const model::caller& who, const model::command& c) {
  auto out = std::make_unique<owned_command>();
  out->who = who;
  out->what = c;
  std::visit(
      [&](auto& x) {
        keep(out->memory, x);
        out->list_bytes = bytes_of_list(x);
      },
      out->what);
  return out;
}

}  // namespace weir::broker
