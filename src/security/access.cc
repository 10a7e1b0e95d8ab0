#include "security/access.h"

namespace weir::security {

bool access::allow(const model::caller& who, resource /*what*/, std::string_view /*name*/, operation /*how*/) const {
  return open_to_all_ || who.loopback;
}

}  // namespace weir::security
