/* SPDX-License-Identifier: BSD-2-Clause */
/* Matching compiled patterns.  A star matches as little as it can and is widened by one when what
 * follows it fails; an earlier star never needs to be widened again once a later one is reached,
 * neither within a component nor among components, which is what keeps the time bounded. */
#include <string.h>

#include "source/pattern_internal.h"

static bool
token_matches(const struct glob *g, const struct glob_token *t, uint8_t byte)
{
    switch ((enum glob_kind)t->kind) {
    case GLOB_BYTE:
        return t->byte == byte;
    case GLOB_ANY:
        return true;
    case GLOB_CLASS:
        return (g->classes[t->place].bits[byte >> 3] >> (byte & 7) & 1) != 0;
    case GLOB_STAR:
        break;
    }
    return false;
}

static bool
component_matches(const struct glob *g, const struct glob_component *c, const uint8_t *name,
                  size_t len)
{
    const struct glob_token *tokens = g->tokens + c->first;
    size_t count = c->count;
    /* "*.o" against most names is decided by the last byte. */
    if (count > 0 && tokens[count - 1].kind == GLOB_BYTE &&
        (len == 0 || name[len - 1] != tokens[count - 1].byte)) {
        return false;
    }
    size_t token = 0;
    size_t at = 0;
    size_t star = SIZE_MAX; /* token behind the latest star */
    size_t star_at = 0;
    while (at < len) {
        if (token < count && tokens[token].kind == GLOB_STAR) {
            star = ++token;
            star_at = at;
        } else if (token < count && token_matches(g, &tokens[token], name[at])) {
            token++;
            at++;
        } else if (star == SIZE_MAX) {
            return false;
        } else {
            if (star == count) {
                return true;
            }
            token = star;
            at = ++star_at;
        }
    }
    while (token < count && tokens[token].kind == GLOB_STAR) {
        token++;
    }
    return token == count;
}

bool
glob_match_name(const struct glob *g, struct vv_span name)
{
    return component_matches(g, &g->components[0], name.data, name.len);
}

/* Where the component that starts at ${at} ends. */
static size_t
component_end(struct vv_span path, size_t at)
{
    const uint8_t *slash = memchr(path.data + at, '/', path.len - at);
    return slash == NULL ? path.len : (size_t)(slash - path.data);
}

static size_t
component_after(struct vv_span path, size_t end)
{
    return end < path.len ? end + 1 : end;
}

bool
glob_match_path(const struct glob *g, struct vv_span path)
{
    size_t component = 0;
    size_t at = 0;
    size_t deep = SIZE_MAX; /* component behind the latest "**" */
    size_t deep_at = 0;
    while (at < path.len || component < g->component_count) {
        if (component < g->component_count) {
            const struct glob_component *c = &g->components[component];
            if (c->deep) {
                deep = ++component;
                deep_at = at;
                continue;
            }
            if (at < path.len) {
                size_t end = component_end(path, at);
                if (component_matches(g, c, path.data + at, end - at)) {
                    component++;
                    at = component_after(path, end);
                    continue;
                }
            }
        }
        if (deep == SIZE_MAX || deep_at >= path.len) {
            return false;
        }
        deep_at = component_after(path, component_end(path, deep_at));
        at = deep_at;
        component = deep;
    }
    return true;
}

bool
glob_may_match_below(const struct glob *g, struct vv_span directory)
{
    size_t at = 0;
    for (uint32_t i = 0; i < g->component_count; i++) {
        const struct glob_component *c = &g->components[i];
        if (c->deep || at >= directory.len) {
            return true;
        }
        size_t end = component_end(directory, at);
        if (!component_matches(g, c, directory.data + at, end - at)) {
            return false;
        }
        at = component_after(directory, end);
    }
    return false;
}
