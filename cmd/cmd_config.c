/* SPDX-License-Identifier: BSD-2-Clause */
/* varve config check | show | example: the configuration file. */
#include <string.h>

#include "commands.h"
#include "render.h"
#include "settings_keys.h"

static const struct option_spec specs[] = {OPTION_END};

/** No options of its own, no arguments. */
static bool
begin(struct app *app, int argc, char **argv)
{
    struct arguments args = {0};
    char none = 0;

    if (!app_arguments(app, &none, argc, argv, 0, 0, &args)) {
        return false;
    }
    arguments_release(&args);
    return true;
}

static enum vv_rc
read_whole(struct app *app, struct settings **ret)
{
    VV_TRY(settings_input_need(app, ret, &app->err));
    return settings_check_secrets(*ret, NULL, &app->err);
}

/* ---- check ---- */

static void
print_problem(const struct settings_problem *p)
{
    message_print(p->place.file, stdout);
    printf(":%u: ", p->place.line);
    message_print(p->text, stdout);
    if (p->hint[0] != '\0') {
        printf("\n    ");
        message_print(p->hint, stdout);
    }
    printf("\n");
}

static void
count_sections(const struct settings *c, uint64_t counts[2])
{
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        counts[0] += strcmp(s->spec->kind, "repository") == 0;
        counts[1] += strcmp(s->spec->kind, "job") == 0;
    }
}

static void
check_json(struct json *j, const struct settings *c, const uint64_t counts[2])
{
    json_put_u64(j, "repositories", counts[0]);
    json_put_u64(j, "jobs", counts[1]);
    json_put_array(j, "mistakes");
    for (const struct settings_problem *p = settings_problems(c); p != NULL; p = p->next) {
        json_put_object(j, NULL);
        json_put_bytes(j, "file", vv_span(p->place.file, strlen(p->place.file)));
        json_put_u64(j, "line", p->place.line);
        json_put_bytes(j, "text", vv_span(p->text, strlen(p->text)));
        json_put_bytes(j, "hint", vv_span(p->hint, strlen(p->hint)));
        json_put_end(j);
    }
    json_put_end(j);
}

static enum exit_code
run_check(struct app *app, int argc, char **argv)
{
    struct settings *c = NULL;
    uint64_t counts[2] = {0, 0};
    struct json *j;
    enum vv_rc rc;

    if (!begin(app, argc, argv)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = read_whole(app, &c);
    if (rc != VV_OK) {
        return app_finish(app, rc, EXIT_DONE);
    }
    count_sections(c, counts);
    j = app_json(app);
    if (j != NULL) {
        check_json(j, c, counts);
    } else {
        for (const struct settings_problem *p = settings_problems(c); p != NULL; p = p->next) {
            print_problem(p);
        }
        if (settings_problem_count(c) == 0 && !app->global.quiet) {
            render_count(counts[0], "repository", "repositories", stdout);
            printf(", ");
            render_count(counts[1], "job", "jobs", stdout);
            printf(": no mistake found\n");
        }
    }
    return app_finish(app, VV_OK, settings_problem_count(c) > 0 ? EXIT_USAGE : EXIT_DONE);
}

/* ---- show ---- */

/* A secret is not for everybody who looks at the screen. */
static const char *
shown_value(const struct settings_value *v)
{
    return v->key->secret ? "(not shown)" : v->text;
}

static void
show_json(struct json *j, const struct settings *c)
{
    json_put_array(j, "sections");
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        json_put_object(j, NULL);
        json_put_text(j, "kind", s->spec->kind);
        json_put_text(j, "name", s->name);
        json_put_bytes(j, "file", vv_span(s->place.file, strlen(s->place.file)));
        json_put_u64(j, "line", s->place.line);
        json_put_array(j, "values");
        for (const struct settings_value *v = s->first; v != NULL; v = v->next) {
            json_put_object(j, NULL);
            json_put_text(j, "key", v->key->name);
            json_put_bytes(j, "value", vv_span(shown_value(v), strlen(shown_value(v))));
            json_put_bytes(j, "file", vv_span(v->place.file, strlen(v->place.file)));
            json_put_u64(j, "line", v->place.line);
            json_put_end(j);
        }
        json_put_end(j);
        json_put_end(j);
    }
    json_put_end(j);
}

static void
show_text(const struct settings *c)
{
    for (const struct settings_section *s = settings_sections(c); s != NULL; s = s->next) {
        printf("# ");
        message_print(s->place.file, stdout);
        printf(":%u\n[%s%s%s]\n", s->place.line, s->spec->kind, s->name[0] != '\0' ? " " : "",
               s->name);
        for (const struct settings_value *v = s->first; v != NULL; v = v->next) {
            printf("%s = ", v->key->name);
            message_print(shown_value(v), stdout);
            printf("\n");
        }
        printf("%s", s->next != NULL ? "\n" : "");
    }
}

static enum exit_code
run_show(struct app *app, int argc, char **argv)
{
    struct settings *c = NULL;
    struct json *j;
    enum vv_rc rc;

    if (!begin(app, argc, argv)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    rc = read_whole(app, &c);
    if (rc == VV_OK) {
        rc = settings_input_refuse(c, 0, &app->err);
    }
    if (rc != VV_OK) {
        return app_finish(app, rc, EXIT_DONE);
    }
    j = app_json(app);
    if (j != NULL) {
        show_json(j, c);
    } else {
        show_text(c);
    }
    return app_finish(app, VV_OK, EXIT_DONE);
}

/* ---- example ---- */

/** Keys that the example does not set already, as comments. */
static void
print_keys(const struct settings_spec *spec, const char *const *shown)
{
    for (const struct settings_key *k = spec->keys; k->name != NULL; k++) {
        bool is_shown = false;
        for (size_t i = 0; shown[i] != NULL; i++) {
            is_shown = is_shown || strcmp(shown[i], k->name) == 0;
        }
        if (!is_shown) {
            printf("# %s%s\n#%s = %s\n", k->help, k->list ? "; may be repeated" : "", k->name,
                   k->value);
        }
    }
}

static const char example_begin[] =
    "# Configuration of varve; see varve.conf(5).  'varve config check' finds mistakes in it.\n\n"
    "[repository main]\n"
    "url = /var/backups/varve\n"
    "key-file = /etc/varve/key\n";
static const char example_site[] =
    "\n# A second one, away from here; remove the '#' of these lines and of 'replicate-to' below.\n"
    "#[repository site]\n"
    "#url = sftp://backup@site.example/varve\n"
    "#key-file = /etc/varve/key\n"
    "#ssh-identity = /etc/varve/id_ed25519\n";
static const char example_job[] = "\n[job server]\n"
                                  "repository = main\n"
                                  "path = /etc\n"
                                  "path = /srv\n"
                                  "path = /var/lib\n"
                                  "exclude-caches = yes\n"
                                  "keep-daily = 14\n"
                                  "keep-weekly = 8\n"
                                  "keep-monthly = 12\n"
                                  "#replicate-to = site\n";
static const char example_notify[] =
    "\n# Who is told when a job fails, and when it is well again; try it: varve notify test\n"
    "#[notify]\n"
    "#mail-to = root\n"
    "\n# Further keys of it:\n\n";
static const char *const in_notify[] = {"mail-to", NULL};
static const char *const in_repository[] = {"url", "key-file", NULL};
static const char *const in_job[] = {"repository",  "path",         "exclude-caches", "keep-daily",
                                     "keep-weekly", "keep-monthly", "replicate-to",   NULL};

static enum exit_code
run_example(struct app *app, int argc, char **argv)
{
    if (!begin(app, argc, argv)) {
        return app_finish(app, app->err.rc, EXIT_DONE);
    }
    if (app_json(app) != NULL) {
        return app_finish(app, app_usage(app, "an example is no JSON"), EXIT_DONE);
    }
    printf("%s\n# Further keys of a repository:\n\n", example_begin);
    print_keys(&settings_specs[0], in_repository);
    printf("%s%s\n# Further keys of a job:\n\n", example_site, example_job);
    print_keys(&settings_specs[1], in_job);
    printf("%s", example_notify);
    print_keys(&settings_specs[2], in_notify);
    return app_finish(app, VV_OK, EXIT_DONE);
}

static const struct command config_check_command = {
    .name = "check",
    .arguments = "",
    .summary = "find mistakes in the configuration",
    .details = "Exit code 2 if there is one.\n",
    .specs = specs,
    .run = run_check,
};
static const struct command config_show_command = {
    .name = "show",
    .arguments = "",
    .summary = "show what is configured, and where",
    .specs = specs,
    .run = run_show,
};
static const struct command config_example_command = {
    .name = "example",
    .arguments = "",
    .summary = "print a configuration to begin with, with every key",
    .specs = specs,
    .run = run_example,
};
static const struct command *const subcommands[] = {&config_check_command, &config_show_command,
                                                    &config_example_command, NULL};
const struct command cmd_config = {
    .name = "config",
    .summary = "check, show or begin the configuration file",
    .details =
        "The file is /etc/varve/varve.conf, with what is in /etc/varve/conf.d; users have one in\n"
        "~/.config/varve as well.  varve.conf(5) tells what may stand in it.\n",
    .subcommands = subcommands,
};
