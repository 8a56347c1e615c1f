/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CMD_POINT_OPTIONS_H
#define VARVE_CMD_POINT_OPTIONS_H

#include "app.h"
#include "engine/point_restore.h"

/* --to-... and --timeline of varve restore and varve rehearse, --tablespace of varve restore. */

struct point_options {
    const char *time;
    const char *lsn;
    const char *xid;
    const char *name;
    bool immediate;
    bool latest;
    const char *timeline;
    struct option_list tablespaces; /* OID=DIR */
};
/** POINT_OPTION_SPECS(member, what): their rows in the table of a command whose structure has them as
 *  ${member}, but --tablespace; ${what} says what --to-latest means there, and the others continue. */
/* clang-format off */
#define POINT_OPTION_SPECS(member, what)                                                          \
    {"to-latest", '\0', OPTION_FLAG, AT(member.latest), NULL, what, NULL},                        \
    {"to-time", '\0', OPTION_TEXT, AT(member.time), "TIME",                                       \
     "... to this time, which needs a zone ('2026-11-26 14:00:00+01:00')", NULL},                 \
    {"to-lsn", '\0', OPTION_TEXT, AT(member.lsn), "LSN", "... to this position in its WAL",       \
     NULL},                                                                                       \
    {"to-xid", '\0', OPTION_TEXT, AT(member.xid), "XID", "... to the end of this transaction",    \
     NULL},                                                                                       \
    {"to-name", '\0', OPTION_TEXT, AT(member.name), "NAME",                                       \
     "... to this restore point (pg_create_restore_point)", NULL},                                \
    {"to-immediate", '\0', OPTION_FLAG, AT(member.immediate), NULL,                               \
     "... to where the base backup is consistent", NULL},                                         \
    {"timeline", '\0', OPTION_TEXT, AT(member.timeline), "N",                                     \
     "on this timeline: a number, current or latest (default: latest)", NULL}
/* clang-format on */

/** What they come to; owns its texts. */
struct point_choice {
    struct point_target target; /* kind POINT_NONE: none was given */
    struct point_mapping *mappings;
    size_t mapping_count;
    struct vv_buf restore_command;
    char **directories; /* of the mappings */
};
void point_choice_release(struct point_choice *c);
/** point_options_read(app, o, ret): VV_EUSAGE. */
MUST_CHECK enum vv_rc point_options_read(struct app *app, const struct point_options *o,
                                         struct point_choice *ret);
/** point_options_command(app, c): c->restore_command: this program, this repository, this key, all with
 *  absolute paths.  VV_EUSAGE if the key is none that a server could use by itself. */
MUST_CHECK enum vv_rc point_options_command(struct app *app, struct point_choice *c,
                                            uint64_t system);
/** point_options_check(app, c, p): each tablespace of the plan has its place, and no other.  VV_EUSAGE. */
MUST_CHECK enum vv_rc point_options_check(struct app *app, const struct point_choice *c,
                                          const struct point_plan *p);

#endif
