/* SPDX-License-Identifier: BSD-2-Clause */
/* Making items: what the server sent, and what we add. */
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "format/postgres_page.h"
#include "source/base_source.h"

bool
base_is_paged(const char *path)
{
    static const char *const directories[] = {"pg_xact/", "pg_multixact/", "pg_commit_ts/"};

    for (size_t i = 0; i < VV_COUNT(directories); i++) {
        if (strncmp(path, directories[i], strlen(directories[i])) == 0) {
            return true;
        }
    }
    return postgres_relation_file(path).is_relation;
}

void
base_item_free(struct source_item *item)
{
    struct base_item *h = item->handle;

    if (h != NULL) {
        vv_arena_release(&h->arena);
        vv_free(h);
    }
    *item = (struct source_item){0};
}

/* Numbers of users mean something on the server's machine only.  A tar of PostgreSQL says "postgres"
 * whoever runs the server: right nearly everywhere, and the best that can be known from afar. */
static void
set_owner(struct base_source *b, uint32_t uid, uint32_t gid, struct entry *e)
{
    static const uint8_t usual[] = "postgres";

    e->uid = uid;
    e->gid = gid;
    if (postgres_on_socket(b->server)) {
        e->user = fs_user_name(&b->names, uid);
        e->group = fs_group_name(&b->names, gid);
    } else {
        e->user = vv_span(usual, sizeof(usual) - 1);
        e->group = e->user;
    }
}

enum vv_rc
base_item_new(struct base_source *b, const char *where, const char *name, enum entry_type type,
              struct source_item *ret, struct vv_error *err)
{
    VV_CLEANUP(vv_buf_release) struct vv_buf path = {0};
    struct base_item *h = vv_alloc_array(1, sizeof(*h));
    struct source_item item = {.handle = h};
    struct entry *e = &item.entry;
    struct timespec now;

    vv_buf_printf(&path, "%s/%s%s%s", b->root, where, name != NULL ? "/" : "",
                  name != NULL ? name : "");
    if (h == NULL || vv_buf_check(&path, err) != VV_OK) {
        base_item_free(&item);
        return vv_error_nomem(err);
    }
    e->path.len = path.len;
    e->path.data = vv_arena_copy(&h->arena, path.data, path.len);
    if (e->path.data == NULL) {
        base_item_free(&item);
        return vv_error_nomem(err);
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    e->type = type;
    e->mode = type == ENTRY_SYMLINK     ? 0777
              : type == ENTRY_DIRECTORY ? b->data_mode
                                        : b->data_mode & 0666u;
    e->mtime = (struct entry_time){.sec = now.tv_sec, .nsec = (uint32_t)now.tv_nsec};
    e->ctime = e->mtime;
    e->nlink = 1;
    set_owner(b, b->uid, b->gid, e);
    *ret = item;
    return VV_OK;
}

enum vv_rc
base_item_queue(struct base_source *b, struct source_item *item, struct vv_error *err)
{
    if (b->queue_count == b->queue_room) {
        size_t room = b->queue_room == 0 ? 16 : b->queue_room * 2;
        struct source_item *grown = vv_realloc_array(b->queue, room, sizeof(*grown));
        if (grown == NULL) {
            base_item_free(item);
            return vv_error_nomem(err);
        }
        b->queue = grown;
        b->queue_room = room;
    }
    b->queue[b->queue_count++] = *item;
    *item = (struct source_item){0};
    return VV_OK;
}

enum vv_rc
base_queue_directory(struct base_source *b, const char *where, const char *name,
                     struct vv_error *err)
{
    struct source_item item;

    VV_TRY(base_item_new(b, where, name, ENTRY_DIRECTORY, &item, err));
    return base_item_queue(b, &item, err);
}

enum vv_rc
base_queue_file(struct base_source *b, const char *where, const char *name, struct vv_span content,
                struct vv_error *err)
{
    struct source_item item;

    VV_TRY(base_item_new(b, where, name, ENTRY_FILE, &item, err));
    item.entry.size = content.len;
    ((struct base_item *)item.handle)->content = BASE_MEMORY;
    ((struct base_item *)item.handle)->memory = content;
    return base_item_queue(b, &item, err);
}

enum vv_rc
base_queue_link(struct base_source *b, const char *where, const char *name, const char *target,
                struct vv_error *err)
{
    struct source_item item;
    struct entry *e = &item.entry;

    VV_TRY(base_item_new(b, where, name, ENTRY_SYMLINK, &item, err));
    e->flags |= ENTRY_HAS_TARGET;
    e->target.len = strlen(target);
    e->target.data =
        vv_arena_copy(&((struct base_item *)item.handle)->arena, target, e->target.len);
    e->size = e->target.len;
    if (e->target.data == NULL) {
        base_item_free(&item);
        return vv_error_nomem(err);
    }
    return base_item_queue(b, &item, err);
}
