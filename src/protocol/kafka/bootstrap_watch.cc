#include "protocol/kafka/bootstrap_watch.h"

namespace weir::kafka {

void bootstrap_watch::on_bootstrap_only(const std::string& peer, const protocol::endpoint& told, mono_ns now) {
  if (peers_.size() >= peers_max && !peers_.contains(peer)) return;
  peers_.try_emplace(peer, watched{told, now, false});
}

void bootstrap_watch::on_work(const std::string& peer) { peers_.erase(peer); }

std::vector<bootstrap_watch::hint> bootstrap_watch::due(mono_ns now) {
  std::vector<hint> out;
  for (auto& [peer, w] : peers_) {
    if (w.reported || now - w.since < patience_ns) continue;
    w.reported = true;
    out.push_back({peer, w.told});
  }
  return out;
}

std::string describe(const bootstrap_watch::hint& h) {
  return "a client at " + h.peer + " asked for the brokers, was told " + h.told.host + ":" +
         std::to_string(h.told.port) +
         ", and did not come back: if it cannot reach that address, set kafka.advertised to one that it can "
         "reach";
}

}  // namespace weir::kafka
