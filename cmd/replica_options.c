/* SPDX-License-Identifier: BSD-2-Clause */
/* --replica and VARVE_REPLICAS; the summary of what replicas gave. */
#include "replica_options.h"

#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/text.h"

static enum vv_rc
open_replica(void *ctx, const char *url, struct storage **ret, struct vv_error *err)
{
    return app_open_other_storage(ctx, url, ret, err);
}

/** Append each word of VARVE_REPLICAS, ended by a zero byte. */
static void
put_words(struct vv_buf *out, const char *text)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " \t\r\n");
        if (len > 0) {
            vv_buf_put(out, text, len);
            vv_buf_put_u8(out, 0);
        }
        text += len;
        text += strspn(text, " \t\r\n");
    }
}

enum vv_rc
replica_options_read(struct app *app, struct vv_error *err)
{
    const struct option_list *named = &app->global.replicas;
    const char *environment = getenv("VARVE_REPLICAS");
    struct vv_buf *text = &app->replica_text;
    const struct settings_section *section = NULL;
    const char **urls;
    size_t count = 0;

    vv_buf_reset(text);
    for (size_t i = 0; i < named->count; i++) {
        if (named->uses[i].value[0] == '\0') {
            return vv_error_set(err, VV_EUSAGE, "option '--replica': no repository was named");
        }
        vv_buf_put(text, named->uses[i].value, strlen(named->uses[i].value) + 1);
    }
    put_words(text, environment != NULL ? environment : "");
    VV_TRY(settings_input_repository(
        app, app->global.repository != NULL ? app->global.repository : getenv("VARVE_REPO"),
        &section, err));
    for (const struct settings_value *v = NULL;
         section != NULL && (v = settings_next(section, "replica", v)) != NULL;) {
        vv_buf_put(text, v->text, strlen(v->text) + 1);
    }
    VV_TRY(vv_buf_check(text, err));
    for (size_t i = 0; i < text->len; i++) {
        count += text->data[i] == 0;
    }
    urls = vv_alloc_array(count + 1, sizeof(*urls));
    if (urls == NULL) {
        return vv_error_nomem(err);
    }
    for (size_t i = 0, at = 0; i < count; i++) {
        urls[i] = (const char *)text->data + at;
        at += strlen(urls[i]) + 1;
    }
    vv_free((void *)(uintptr_t)app->replicas.urls);
    app->replicas =
        (struct replica_source){.urls = urls, .count = count, .open = open_replica, .ctx = app};
    return VV_OK;
}

void
replica_options_release(struct app *app)
{
    vv_free((void *)(uintptr_t)app->replicas.urls);
    memset(&app->replicas, 0, sizeof(app->replicas));
    vv_buf_release(&app->replica_text);
    option_list_release(&app->global.replicas);
}

static const char *
condition_text(enum replica_condition condition)
{
    switch (condition) {
    case REPLICA_UNUSED:
        return "unused";
    case REPLICA_OPEN:
        return "used";
    case REPLICA_UNREACHABLE:
        return "unreachable";
    case REPLICA_OTHER:
        return "other-repository";
    case REPLICA_FORGED:
        return "forged";
    }
    return "unknown";
}

static void
report_text(struct app *app, const struct replica_report *r)
{
    if (r->blocks > 0) {
        messages_say(&app->messages, "%llu block%s damaged or missing here and came from '%s'",
                     (unsigned long long)r->blocks, r->blocks == 1 ? " was" : "s were", r->url);
    }
    if (r->objects > 0) {
        messages_say(&app->messages,
                     "snapshots or key slots damaged or missing here that came from '%s': %llu",
                     r->url, (unsigned long long)r->objects);
    }
    if (r->blocks + r->objects > 0) {
        messages_say(&app->messages, "hint: 'varve replicate --from %s' brings them back", r->url);
    }
}

static void
report_json(struct json *j, const struct replica_report *r)
{
    json_put_object(j, NULL);
    json_put_text(j, "url", r->url);
    json_put_text(j, "condition", condition_text(r->condition));
    json_put_bool(j, "remembered", r->remembered);
    json_put_u64(j, "blocks", r->blocks);
    json_put_u64(j, "objects", r->objects);
    json_put_end(j);
}

enum exit_code
replica_options_report(struct app *app)
{
    struct replicas *replicas = app->repo != NULL ? repo_replicas(app->repo) : NULL;
    struct json *j = app->json_open ? &app->json : NULL;
    enum exit_code code = EXIT_DONE;
    struct replica_report r;
    bool any = false;

    for (size_t i = 0; replicas_report(replicas, i, &r); i++) {
        if (r.condition == REPLICA_UNUSED) {
            continue;
        }
        report_text(app, &r);
        if (j != NULL && !any) {
            while (j->depth > 1) {
                json_put_end(j);
            }
            json_put_array(j, "replicas");
        }
        any = true;
        if (j != NULL) {
            report_json(j, &r);
        }
        if (r.condition == REPLICA_FORGED) {
            code = exit_code_worse(code, EXIT_FORGED);
        } else if (r.condition == REPLICA_OTHER && !r.remembered) {
            code = exit_code_worse(code, EXIT_USAGE);
        }
    }
    if (j != NULL && any) {
        json_put_end(j);
    }
    return code;
}
