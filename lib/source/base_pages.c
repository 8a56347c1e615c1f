/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pages of a file the server complains about carry a wrong checksum. */
#include <string.h>

#include "format/postgres_page.h"
#include "source/base_source.h"

void
base_pages_complain(struct base_pages *g, uint64_t offset)
{
    if (!g->wanted) {
        g->wanted = true;
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

static void
check_page(struct base_pages *g, const char *path)
{
    uint64_t block =
        g->at / g->page_size + (uint64_t)postgres_relation_file(path).segment * g->relation_pages;

    if (postgres_page_is_bad(g->page, g->page_size, (uint32_t)block, g->start)) {
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
            check_page(g, path);
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
