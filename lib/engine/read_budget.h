/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_ENGINE_READ_BUDGET_H
#define VARVE_ENGINE_READ_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/** How much of what there is may be read: no object is begun beyond it, and none is left half read. */
enum budget_kind { BUDGET_NONE, BUDGET_PART, BUDGET_BYTES, BUDGET_TIME };
struct read_budget {
    enum budget_kind kind;
    double part;     /* 0 to 1 of all bytes */
    uint64_t amount; /* bytes, or nanoseconds of the monotonic clock */
};

/** budget_allows(b, begun, total, elapsed): may another object be begun after ${begun} of ${total}
 *  bytes and ${elapsed} ns? */
static inline bool
budget_allows(const struct read_budget *b, uint64_t begun, uint64_t total, uint64_t elapsed)
{
    switch (b->kind) {
    case BUDGET_NONE:
        return true;
    case BUDGET_PART:
        return (double)begun < b->part * (double)total;
    case BUDGET_BYTES:
        return begun < b->amount;
    case BUDGET_TIME:
        break;
    }
    return elapsed < b->amount;
}

#endif
