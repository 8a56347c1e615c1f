/* SPDX-License-Identifier: BSD-2-Clause */
/* From the options of 'varve backup' to what the engine is given. */
#include "backup_plan.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compress/compress.h"
#include "core/alloc.h"
#include "pattern_options.h"
#include "postgres/postgres.h"

#define LEVEL_MAX 19

#define AT(member) offsetof(struct backup_command_line, member)
const struct option_spec backup_option_specs[] = {
    {"full", '\0', OPTION_FLAG, AT(full), NULL,
     "read every byte again, and tell what changed behind unchanged metadata", NULL},
    {"exclude", '\0', OPTION_LIST, AT(patterns), "PATTERN",
     "leave out what matches, as in gitignore; '!' takes in again", NULL},
    {"exclude-from", '\0', OPTION_LIST, AT(patterns), "FILE", "patterns from a file, one a line",
     NULL},
    {"exclude-caches", '\0', OPTION_FLAG, AT(exclude_caches), NULL,
     "leave out what is in directories with a CACHEDIR.TAG", NULL},
    {"exclude-larger-than", '\0', OPTION_SIZE, AT(exclude_larger_than), "SIZE",
     "leave out larger files", NULL},
    {"one-file-system", 'x', OPTION_FLAG, AT(one_file_system), NULL,
     "stay on the file system of each PATH", NULL},
    {"may-change", '\0', OPTION_LIST, AT(may_change), "PATTERN",
     "files that may change or vanish meanwhile without that being a problem", NULL},
    {"tag", '\0', OPTION_LIST, AT(tags), "TAG", "attach a word to the snapshot", NULL},
    {"host", '\0', OPTION_TEXT, AT(host), "HOST", "name of the host (default: this one's)", NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "tell what would be read; store nothing",
     NULL},
    {"threads", '\0', OPTION_NUMBER, AT(threads), "N", "worker threads (default: by processors)",
     NULL},
    {"compression", '\0', OPTION_TEXT, AT(compression), "LEVEL",
     "1 (fast) to 19 (small), or off (default: 3)", NULL},
    {"exec", '\0', OPTION_LIST, AT(commands), "NAME=COMMAND",
     "store the output of a command as the file NAME", NULL},
    {"stdin", '\0', OPTION_TEXT, AT(stdin_name), "NAME", "store standard input as the file NAME",
     NULL},
    {"allow-empty", '\0', OPTION_FLAG, AT(allow_empty), NULL,
     "commands, standard input and the archive may yield nothing", NULL},
    {"archive", '\0', OPTION_TEXT, AT(archive), "FILE",
     "store the members of a tar, cpio or zip (-: standard input)", NULL},
    {"limit", '\0', OPTION_SIZE, AT(limit), "RATE", "bytes a second at most from each database",
     NULL},
    {"database-files", '\0', OPTION_FLAG, AT(database_files), NULL,
     "databases are on this host: read their files, and only what has changed", NULL},
    {"keep-going", '\0', OPTION_FLAG, AT(keep_going), NULL,
     "leave out databases, commands and archives that fail, and name them", NULL},
    OPTION_END,
};

void
backup_plan_release(struct backup_plan *p)
{
    pattern_set_free(p->excludes);
    pattern_set_free(p->may_change);
    for (size_t i = 0; i < p->options.database_count; i++) {
        vv_free(p->database_names[i]);
    }
    vv_free(p->database_names);
    vv_free(p->databases);
    vv_free(p->paths);
    vv_free(p->commands);
    vv_free(p->tags);
    vv_buf_release(&p->names);
    vv_buf_release(&p->user);
}

void
backup_command_line_release(struct backup_command_line *o)
{
    option_list_release(&o->patterns);
    option_list_release(&o->may_change);
    option_list_release(&o->tags);
    option_list_release(&o->commands);
}

/** --exec NAME=COMMAND and --stdin NAME. */
static enum vv_rc
plan_commands(struct app *app, const struct backup_command_line *o, struct backup_plan *p)
{
    size_t place = 0;

    p->commands = vv_alloc_array(o->commands.count + 1, sizeof(*p->commands));
    if (p->commands == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < o->commands.count; i++) {
        const char *use = o->commands.uses[i].value;
        const char *equals = strchr(use, '=');
        if (equals == NULL || equals == use || equals[1] == '\0') {
            return app_usage(app, "option '--exec': '%s' is not NAME=COMMAND", use);
        }
        vv_buf_put(&p->names, use, (size_t)(equals - use));
        vv_buf_put_u8(&p->names, 0);
        p->commands[i].command = equals + 1;
    }
    VV_TRY(vv_buf_check(&p->names, &app->err));
    for (size_t i = 0; i < o->commands.count; i++) {
        p->commands[i].name = (const char *)p->names.data + place;
        place += strlen(p->commands[i].name) + 1;
    }
    p->options.command_count = o->commands.count;
    if (o->stdin_name != NULL) {
        if (o->archive != NULL && strcmp(o->archive, "-") == 0) {
            return app_usage(app, "--stdin and --archive - both want standard input");
        }
        p->commands[p->options.command_count++].name = o->stdin_name;
    }
    p->options.commands = p->commands;
    return VV_OK;
}

static enum vv_rc
plan_database(struct app *app, struct backup_plan *p, const char *argument, const char *target)
{
    struct vv_buf name = {0};
    size_t i = p->options.database_count;
    enum vv_rc rc = postgres_target_check(target, &app->err);

    if (rc == VV_OK && target > argument) {
        vv_buf_put(&name, argument, (size_t)(target - argument) - 1);
    } else if (rc == VV_OK) {
        rc = postgres_target_name(target, &name, &app->err);
    }
    if (rc == VV_OK) {
        p->database_names[i] = vv_strdup(vv_buf_text(&name));
        rc = p->database_names[i] == NULL ? vv_error_nomem(&app->err) : VV_OK;
    }
    if (rc == VV_OK) {
        p->databases[i] = (struct backup_database){.name = p->database_names[i], .target = target};
        p->options.database_count++;
    }
    vv_buf_release(&name);
    return rc;
}

/** PATHs and databases. */
static enum vv_rc
plan_sources(struct app *app, const struct arguments *args, struct backup_plan *p)
{
    p->paths = vv_alloc_array(args->count + 1, sizeof(*p->paths));
    p->databases = vv_alloc_array(args->count + 1, sizeof(*p->databases));
    p->database_names = vv_alloc_array(args->count + 1, sizeof(*p->database_names));
    if (p->paths == NULL || p->databases == NULL || p->database_names == NULL) {
        return vv_error_nomem(&app->err);
    }
    p->options.paths = p->paths;
    p->options.databases = p->databases;
    for (size_t i = 0; i < args->count; i++) {
        const char *target = postgres_url_of(args->items[i]);
        if (target != NULL) {
            VV_TRY(plan_database(app, p, args->items[i], target));
        } else {
            p->paths[p->options.path_count++] = args->items[i];
        }
    }
    return VV_OK;
}

static enum vv_rc
plan_level(struct app *app, const char *text, int *ret)
{
    char *end = NULL;
    long level = COMPRESS_LEVEL;

    if (text != NULL && strcmp(text, "off") == 0) {
        level = 0;
    } else if (text != NULL) {
        level = strtol(text, &end, 10);
        if (*end != '\0' || level < 1 || level > LEVEL_MAX) {
            return app_usage(app, "option '--compression': '%s' is not 1 to %d, or off", text,
                             LEVEL_MAX);
        }
    }
    *ret = (int)level;
    return VV_OK;
}

/** The name of the user, for the snapshot's record. */
static void
plan_user(struct backup_plan *p)
{
    VV_CLEANUP(vv_freep) char *buffer = vv_alloc(65536);
    struct passwd entry;
    struct passwd *found = NULL;

    if (buffer != NULL && getpwuid_r(geteuid(), &entry, buffer, 65536, &found) == 0 &&
        found != NULL) {
        vv_buf_put_text(&p->user, found->pw_name);
    } else {
        vv_buf_printf(&p->user, "%u", (unsigned)geteuid());
    }
    p->options.user = vv_buf_text(&p->user);
}

enum vv_rc
backup_plan_make(struct app *app, const struct backup_command_line *o, const struct arguments *args,
                 struct backup_plan *p)
{
    p->options = (struct backup_options){
        .database_rate = o->limit,
        .database_files = o->database_files,
        .keep_going = o->keep_going,
        .archive = o->archive,
        .allow_empty = o->allow_empty,
        .exclude_caches = o->exclude_caches,
        .exclude_larger_than = o->exclude_larger_than,
        .one_file_system = o->one_file_system,
        .host = o->host != NULL ? o->host : app_host(),
        .full = o->full,
        .dry_run = o->dry_run,
        .verbose = app->global.verbose > 0,
        .threads = o->threads,
    };
    VV_TRY(plan_level(app, o->compression, &p->options.level));
    VV_TRY(plan_commands(app, o, p));
    VV_TRY(plan_sources(app, args, p));
    if (args->count == 0 && p->options.command_count == 0 && o->archive == NULL) {
        return app_usage(
            app, "nothing to back up: give a PATH, a database, --exec, --stdin or --archive");
    }
    VV_TRY(pattern_options_add(&o->patterns, &p->excludes, &app->err));
    VV_TRY(pattern_options_add(&o->may_change, &p->may_change, &app->err));
    p->options.excludes = p->excludes;
    p->options.may_change = p->may_change;
    p->tags = vv_alloc_array(o->tags.count + 1, sizeof(*p->tags));
    if (p->tags == NULL) {
        return vv_error_nomem(&app->err);
    }
    for (size_t i = 0; i < o->tags.count; i++) {
        if (o->tags.uses[i].value[0] == '\0') {
            return app_usage(app, "a tag must not be empty");
        }
        p->tags[i] = o->tags.uses[i].value;
    }
    p->options.tags = p->tags;
    p->options.tag_count = o->tags.count;
    plan_user(p);
    return VV_OK;
}
