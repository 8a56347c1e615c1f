/* SPDX-License-Identifier: BSD-2-Clause */
/* A key slot that was removed here may live on in replicas: which, and what removes it there. */
#include <stdio.h>
#include <string.h>

#include "key_commands.h"

static void
tell(struct app *app, struct json *j, const char *url, const char *slot, const char *state)
{
    if (j != NULL) {
        json_put_object(j, NULL);
        json_put_text(j, "replica", url);
        json_put_text(j, "state", state);
        json_put_end(j);
    } else if (strcmp(state, "removed") != 0) {
        messages_say(&app->messages,
                     "note: replica '%s' %s; 'varve -r %s key remove %s' removes it there", url,
                     strcmp(state, "holds") == 0
                         ? "still holds this key slot"
                         : "could not be asked whether it holds this key slot",
                     url, slot);
    }
}

/** Ask one replica: "holds", "removed", or "unreachable". */
static const char *
ask(struct app *app, const char *url, const char *slot)
{
    struct storage *st = NULL;
    struct slot_list list = {0};
    const char *state = "unreachable";

    if (app_open_other_storage(app, url, &st, NULL) == VV_OK &&
        key_slots_list(st, &list, NULL) == VV_OK) {
        state = list.damaged > 0 ? "unreachable" : "removed";
        for (size_t i = 0; i < list.count; i++) {
            state = strcmp(list.slots[i].id, slot) == 0 ? "holds" : state;
        }
    }
    slot_list_release(&list);
    if (st != NULL) {
        storage_free(st);
    }
    return state;
}

static void
tell_once(struct app *app, struct json *j, const char *url, const char *slot, struct vv_buf *asked)
{
    size_t at = 0;

    while (at < asked->len && strcmp((const char *)asked->data + at, url) != 0) {
        at += strlen((const char *)asked->data + at) + 1;
    }
    if (at < asked->len || strcmp(url, app->storage->url) == 0) {
        return;
    }
    vv_buf_put(asked, url, strlen(url) + 1);
    tell(app, j, url, slot, ask(app, url, slot));
}

void
key_tell_replicas(struct app *app, const char *slot)
{
    struct vv_buf remembered = {0};
    struct vv_buf asked = {0};
    struct json *j = app_json(app);

    if (j != NULL) {
        json_put_array(j, "replicas");
    }
    for (size_t i = 0; i < app->replicas.count; i++) {
        tell_once(app, j, app->replicas.urls[i], slot, &asked);
    }
    if (repo_state(app->repo) != NULL &&
        local_state_replicas(repo_state(app->repo), &remembered, NULL) == VV_OK) {
        char *next = (char *)(uintptr_t)vv_buf_text(&remembered);
        char *line;
        while ((line = strsep(&next, "\n")) != NULL) {
            if (line[0] != '\0') {
                tell_once(app, j, line, slot, &asked);
            }
        }
    }
    if (j != NULL) {
        json_put_end(j);
    }
    vv_buf_release(&remembered);
    vv_buf_release(&asked);
}
