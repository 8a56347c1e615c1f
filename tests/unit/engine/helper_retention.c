/* SPDX-License-Identifier: BSD-2-Clause */
#include "engine/helper_retention.h"

#include <string.h>
#include <time.h>

#include "core/alloc.h"

int64_t
utc(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute};

    return (int64_t)timegm(&tm) * SECOND;
}

void
past_begin(struct past *p)
{
    memset(p, 0, sizeof(*p));
    p->list.snapshots = p->snapshots;
    p->list.forgotten = p->forgotten;
    p->list.admin.newest = INT64_MIN;
    p->now = utc(2026, 7, 1, 12, 0);
    p->policy.group_by = RETENTION_BY_HOST | RETENTION_BY_PATHS;
}

void
past_end(struct past *p)
{
    retention_release(&p->result);
    retention_records_release(&p->list.admin.retention);
    for (size_t i = 0; i < p->list.count; i++) {
        vv_buf_release(&p->sources[i][0]);
        vv_buf_release(&p->sources[i][1]);
    }
}

struct snapshot *
past_add(struct past *p, uint8_t client, int64_t time)
{
    size_t at = p->list.count++;
    struct snapshot *s = &p->snapshots[at];

    assert_true(at < sizeof(p->snapshots) / sizeof(p->snapshots[0]));
    vv_store_u32(s->id.b, (uint32_t)at + 1);
    s->client.b[0] = client;
    s->sequence = at + 1;
    s->time = time;
    s->body.host = (char *)(uintptr_t) "a";
    s->body.sources = p->sources[at];
    s->body.tags = p->tags[at];
    past_source(p, s, "/srv");
    past_changed(s, 0);
    for (size_t i = at; i > 0; i--) {
        if (p->snapshots[i - 1].client.b[0] == client) {
            s->body.has_parent = true;
            s->body.parent = p->snapshots[i - 1].id;
            break;
        }
    }
    return s;
}

void
past_source(struct past *p, struct snapshot *s, const char *source)
{
    (void)p;
    assert_true(s->body.source_count < 2);
    vv_buf_put_text(&s->body.sources[s->body.source_count++], source);
}

void
past_tag(struct past *p, struct snapshot *s, const char *tag)
{
    (void)p;
    assert_true(s->body.tag_count < 2);
    s->body.tags[s->body.tag_count++] = (char *)(uintptr_t)tag;
}

void
past_changed(struct snapshot *s, uint64_t changed)
{
    s->body.statistics.files = 1000;
    s->body.statistics.files_changed = changed;
    s->body.statistics.files_unchanged = 1000 - changed;
    s->body.statistics.chunks_new = changed;
}

void
past_listed(struct past *p, const struct snapshot *s, int64_t when)
{
    struct retention_records *l = &p->list.admin.retention;

    l->listed = vv_realloc_array(l->listed, l->listed_count + 1, sizeof(*l->listed));
    l->listed[l->listed_count++] = (struct first_listed){s->id, when};
}

void
past_pin(struct past *p, const struct snapshot *s, int64_t until)
{
    struct retention_records *l = &p->list.admin.retention;

    l->pins = vv_realloc_array(l->pins, l->pin_count + 1, sizeof(*l->pins));
    l->pins[l->pin_count++] = (struct pin_record){{s->id, until, true}, p->now};
}

void
past_accept(struct past *p, const struct snapshot *s)
{
    struct retention_records *l = &p->list.admin.retention;

    l->accepted = vv_realloc_array(l->accepted, l->accepted_count + 1, sizeof(*l->accepted));
    l->accepted[l->accepted_count++] = s->id;
}

void
past_judge(struct past *p)
{
    struct vv_error err = {0};

    retention_release(&p->result);
    vv_free(p->list.admin.retention.forgotten);
    p->list.admin.retention.forgotten_count = 0;
    assert_int_equal(retention_records_arrange(&p->list.admin.retention, &err), VV_OK);
    assert_int_equal(retention_judge(&p->list, &p->policy, p->filter, p->now, &p->result, &err),
                     VV_OK);
}

size_t
past_kept(const struct past *p)
{
    return p->list.count - p->result.dropped;
}

unsigned
past_reasons(const struct past *p, const struct snapshot *s)
{
    return p->result.verdicts[s - p->snapshots].reasons;
}
