/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_NOTIFY_SETTINGS_H
#define VARVE_CMD_NOTIFY_SETTINGS_H

#include "config/settings.h"
#include "core/arena.h"
#include "service/notify.h"

/* From a section [notify] or [notify NAME] of the configuration to what is told to whom. */

/** Ended by one without a name. */
extern const struct settings_key notify_keys[];

/** notify_settings_of(c, job): the section of this job: the one it names, else [notify]; NULL: there is none. */
const struct settings_section *notify_settings_of(const struct settings *c,
                                                  const struct settings_section *job);
/** notify_settings_make(section, arena, ret, err): ${ret} points into both. */
MUST_CHECK enum vv_rc notify_settings_make(const struct settings_section *section,
                                           struct vv_arena *arena, struct notify_settings *ret,
                                           struct vv_error *err);
/** notify_seconds_parse(text, ret_ms): "10s", "2min"; from one second to one hour. */
MUST_CHECK bool notify_seconds_parse(const char *text, uint64_t *ret_ms);
/** notify_events_parse(text, ret): "failure, recovery": NOTIFY_ON(...) of them. */
MUST_CHECK bool notify_events_parse(const char *text, unsigned *ret);
/** notify_is_address(text): "root", "admin@example.org"; nothing that would be an option, a list or a head. */
bool notify_is_address(const char *text);

#endif
