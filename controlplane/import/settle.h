// settle.h: the two halves of settle_services: a service's own settings, and addresses, which services may share.
#pragma once

#include "controlplane/import/draft.h"

namespace millrace::importing {

// Times, limits, scheduler, health check and access rules within their ranges; nothing that the mode does not have.
void settle_settings(DraftService& service, Complaints& complaints);

}  // namespace millrace::importing
