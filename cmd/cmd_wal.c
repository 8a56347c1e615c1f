/* SPDX-License-Identifier: BSD-2-Clause */
/* varve wal receive | push | get | list | check: PostgreSQL's write-ahead log. */
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"
#include "core/alloc.h"
#include "wal_commands.h"

enum vv_rc
wal_system_option(struct app *app, const char *text, uint64_t *ret)
{
    char *end = NULL;
    unsigned long long value;

    if (text == NULL) {
        *ret = 0;
        return VV_OK;
    }
    value = text[0] >= '1' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0') {
        return app_usage(app, "option '--system': '%s' is no system identifier", text);
    }
    *ret = value;
    return VV_OK;
}

void
wal_json_system(struct json *j, uint64_t system)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)system);
    json_put_text(j, "system", text);
}

void
wal_user(struct vv_buf *out)
{
    VV_CLEANUP(vv_freep) char *buffer = vv_alloc(65536);
    struct passwd entry;
    struct passwd *found = NULL;

    if (buffer != NULL && getpwuid_r(geteuid(), &entry, buffer, 65536, &found) == 0 &&
        found != NULL) {
        vv_buf_put_text(out, found->pw_name);
    } else {
        vv_buf_printf(out, "%u", (unsigned)geteuid());
    }
}

static const struct command *const subcommands[] = {&wal_receive_command, &wal_push_command,
                                                    &wal_get_command,     &wal_list_command,
                                                    &wal_check_command,   NULL};
const struct command cmd_wal = {
    .name = "wal",
    .arguments = "COMMAND",
    .summary = "archive PostgreSQL's write-ahead log, and bring it back",
    .subcommands = subcommands,
};
