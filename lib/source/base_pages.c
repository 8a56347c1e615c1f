/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of a file carry a wrong checksum: of one the server complains about, or that we read. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "format/postgres_page.h"
#include "source/base_source.h"

#define READ_AGAIN 3u
#define PAUSES_MOST                                                                                \
    16u /* bad pages of a file that are waited for; with more it is no coincidence */

void
base_pages_complain(struct base_pages *g, uint64_t offset)
{
    if (!g->wanted) {
        g->wanted = true;
        g->complained = true;
        g->at = offset;
        g->have = 0;
    }
}

/* A run of blocks has ended: write it down. */
static void
put_run(struct base_pages *g)
{
    if (g->next_bad > g->first_bad) {
        vv_buf_printf(&g->text, "%s%llu", g->text.len > 0 ? ", " : "",
                      (unsigned long long)g->first_bad);
        if (g->next_bad > g->first_bad + 1) {
            vv_buf_printf(&g->text, "-%llu", (unsigned long long)g->next_bad - 1);
        }
    }
    g->first_bad = g->next_bad = 0;
}

/* Perhaps the server was just writing it: what it is when the server is done counts.  What was read
 * is kept all the same: the page is whole in the WAL then. */
static bool
is_still_bad(struct base_pages *g, uint64_t block)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    uint8_t again[sizeof(g->page)];

    for (unsigned i = 0; g->again > 0 && i < READ_AGAIN; i++) {
        if (pread(g->again, again, g->page_size, (off_t)g->at) != (ssize_t)g->page_size ||
            !postgres_page_is_bad(again, g->page_size, (uint32_t)block, g->start)) {
            return false;
        }
        if (g->in_file < PAUSES_MOST) {
            (void)nanosleep(&pause, NULL);
        }
    }
    return true;
}

static void
check_page(struct base_pages *g, const char *path, const uint8_t *page)
{
    uint64_t block =
        g->at / g->page_size + (uint64_t)postgres_relation_file(path).segment * g->relation_pages;

    if (postgres_page_is_bad(page, g->page_size, (uint32_t)block, g->start) &&
        is_still_bad(g, block)) {
        if (g->next_bad != block || g->first_bad == g->next_bad) {
            put_run(g);
            g->first_bad = block;
        }
        g->next_bad = block + 1;
        g->in_file++;
        vv_buf_printf(&g->list, "%s %llu\n", path, (unsigned long long)block);
    }
}

void
base_pages_feed(struct base_pages *g, const char *path, struct vv_span data)
{
    while (g->wanted && data.len > 0) {
        size_t skip = (size_t)(-g->at % g->page_size); /* should it not begin with a page */
        size_t take = g->page_size - g->have;
        if (g->have == 0 && skip == 0 && data.len >= g->page_size) {
            check_page(g, path, data.data); /* where it lies */
            g->at += g->page_size;
            data = vv_span(data.data + g->page_size, data.len - g->page_size);
            continue;
        }
        if (g->have == 0 && skip > 0) {
            take = skip < data.len ? skip : data.len;
            g->at += take;
        } else {
            take = take < data.len ? take : data.len;
            memcpy(g->page + g->have, data.data, take);
            g->have += take;
        }
        data = vv_span(data.data + take, data.len - take);
        if (g->have == g->page_size) {
            check_page(g, path, g->page);
            g->at += g->page_size;
            g->have = 0;
        }
    }
}

enum vv_rc
base_pages_end(struct base_pages *g, const char *path, struct vv_events *events,
               struct vv_span tree_path, struct vv_error *err)
{
    if (!g->wanted) {
        return VV_OK;
    }
    put_run(g);
    if (g->in_file == 0 && !g->complained) {
        g->wanted = false;
        return VV_OK;
    }
    if (g->in_file == 0) { /* none that is bad for us, too: the server has seen something else */
        vv_buf_printf(&g->list, "%s\n", path);
        vv_emit(events, VV_EVENT_PROBLEM, "page-checksum", tree_path,
                "the server found pages with wrong checksums; kept as it is");
    } else {
        vv_emit(events, VV_EVENT_PROBLEM, "page-checksum", tree_path,
                "kept, but the checksum of %llu %s is wrong: %s", (unsigned long long)g->in_file,
                g->in_file == 1 ? "page" : "pages", vv_buf_text(&g->text));
    }
    g->total += g->in_file > 0 ? g->in_file : 1;
    g->in_file = 0;
    g->wanted = false;
    g->complained = false;
    vv_buf_reset(&g->text);
    VV_TRY(vv_buf_check(&g->list, err));
    return vv_buf_check(&g->text, err);
}

void
base_pages_release(struct base_pages *g)
{
    vv_buf_release(&g->text);
    vv_buf_release(&g->list);
}
