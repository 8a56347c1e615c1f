/* SPDX-License-Identifier: BSD-2-Clause */
/* For unit tests of what a session writes: a repository in memory with a session, and a look at
 * what has been stored. */
#ifndef VARVE_TESTS_PACK_WRITER_FIXTURE_H
#define VARVE_TESTS_PACK_WRITER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "crypto/hash.h"
#include "repo/pack_reader.h"
#include "repo/pack_writer_internal.h"
#include "scratch_directory.h"

#define must(call)                                                                                 \
    do {                                                                                           \
        struct vv_error *must_err_ = &fixture_err;                                                 \
        enum vv_rc must_rc_ = (call);                                                              \
        if (must_rc_ != VV_OK) {                                                                   \
            fail_msg("%s: %s", #call, must_err_->message);                                         \
        }                                                                                          \
    } while (0)

static struct vv_error fixture_err;
#define E (&fixture_err)

struct fixture {
    char state[64];
    struct storage *memory;
    struct storage *fault; /* around memory; what the repository uses */
    struct repo *repo;
    struct writer_session *session;
    struct chunk_index *index;
    storage_fault_fn *hook;
    void *hook_ctx;
};

static enum fault_verdict
fixture_judge(void *ctx, enum storage_op op, const char *name)
{
    struct fixture *f = ctx;

    return f->hook == NULL ? FAULT_PASS : f->hook(f->hook_ctx, op, name);
}

static inline void
fixture_begin(struct fixture *f)
{
    struct slot_secret secret = {.type = KEY_SLOT_KEY_FILE,
                                 .secret = vv_span("0123456789abcdef0123456789abcdef", 32)};
    struct repo_init_options init = {.secret = &secret, .label = "test"};
    struct repo_options options = {.state_dir = f->state};

    memset(f, 0, sizeof(*f));
    memset(E, 0, sizeof(*E));
    scratch_directory_make(f->state, sizeof(f->state));
    must(storage_memory_new(&f->memory, E));
    must(storage_fault_new(f->memory, fixture_judge, f, &f->fault, E));
    must(repo_init(f->fault, &init, &options, &f->repo, E));
    must(writer_session_begin(f->repo, SESSION_BACKUP, &f->session, E));
    must(chunk_index_open(f->repo, &f->index, E));
}

static int
fixture_remove(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline void
fixture_end(struct fixture *f)
{
    chunk_index_free(f->index);
    writer_session_free(f->session);
    repo_free(f->repo);
    storage_free(f->fault);
    storage_free(f->memory);
    (void)nftw(f->state, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/** Reproducible bytes that do not compress. */
static inline void
fixture_noise(uint8_t *out, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        out[i] = (uint8_t)(seed >> 56);
    }
}

/** Reproducible bytes that do, different for every seed. */
static inline void
fixture_text(uint8_t *out, size_t len, uint64_t seed)
{
    static const char words[8][9] = {"order   ", "invoice ", "customer", " shipped",
                                     " paid   ", " amount ", "2026-11 ", "number  "};

    for (size_t i = 0; i < len; i++) {
        if (i % 8 == 0) {
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        }
        out[i] = (uint8_t)words[seed >> 61][i % 8];
    }
    for (size_t i = 0; i < len && i < 8; i++) {
        out[i] = (uint8_t)(seed >> 8 * i);
    }
}

static enum vv_rc
fixture_note_name(void *ctx, const char *name, uint64_t size, struct vv_error *err)
{
    (void)size;
    vv_buf_put(ctx, name, strlen(name) + 1);
    return vv_buf_check(ctx, err);
}

/** The names in a directory, each with its NUL, one behind the other. */
static inline struct vv_buf
fixture_list(struct fixture *f, const char *directory)
{
    struct vv_buf names = {0};

    must(storage_list(f->memory, directory, fixture_note_name, &names, E));
    return names;
}

/** One pack as found in the storage. */
struct stored_pack {
    struct pack_name name;
    struct pack_header header;
    uint8_t key[32];
    struct pack_directory directory;
    uint64_t size;
};
struct stored_packs {
    struct stored_pack *packs;
    size_t count;
};

/** Read and check everything in packs/, with the readers' code as well. */
static inline struct stored_packs
fixture_packs(struct fixture *f)
{
    struct stored_packs all = {0};
    struct image_checker *checker = NULL;
    struct check_memory memory = {0};
    struct pack_keys *keys = NULL;
    struct pack_reader *reader = NULL;

    must(image_checker_new(&checker, E));
    must(pack_keys_new(f->repo, &keys, E));
    must(pack_reader_new(keys, &reader, E));
    for (unsigned shard = 0; shard < 256; shard++) {
        struct vv_buf names;
        char directory[16];
        (void)snprintf(directory, sizeof(directory), "packs/%02x", shard);
        names = fixture_list(f, directory);
        for (size_t at = 0; at < names.len;) {
            const char *text = (const char *)names.data + at;
            char object[PACK_OBJECT_TEXT];
            struct stored_pack *p;
            struct vv_span bytes;
            uint8_t digest[32];
            all.packs = vv_realloc_array(all.packs, all.count + 1, sizeof(*all.packs));
            p = &all.packs[all.count++];
            memset(p, 0, sizeof(*p));
            assert_true(pack_name_parse(text, strlen(text), &p->name));
            pack_object_text(&p->name, object);
            assert_memory_equal(object, directory, 8);
            assert_true(storage_memory_peek(f->memory, object, &bytes));
            sha256(bytes.data, bytes.len, digest);
            assert_memory_equal(digest, p->name.hash.b, 32);
            must(keyring_open_pack(repo_keyring(f->repo), bytes.data, &p->header, p->key, E));
            must(image_check(checker, &memory, repo_keyring(f->repo),
                             &(struct finished_image){.bytes = bytes}, &p->directory, E));
            must(pack_check(reader, &p->name, bytes, E));
            p->size = bytes.len;
            at += strlen(text) + 1;
        }
        vv_buf_release(&names);
    }
    image_checker_free(checker);
    check_memory_release(&memory);
    pack_reader_free(reader);
    pack_keys_free(keys);
    return all;
}

static inline void
fixture_packs_release(struct stored_packs *all)
{
    for (size_t i = 0; i < all->count; i++) {
        pack_directory_release(&all->packs[i].directory);
    }
    vv_free(all->packs);
    memset(all, 0, sizeof(*all));
}

typedef void fixture_record_fn(void *ctx, struct fixture *f, const struct index_record *record);

/** Call ${fn} for each index record; returns how many there are. */
static inline size_t
fixture_records(struct fixture *f, fixture_record_fn *fn, void *ctx, size_t *ret_segments)
{
    struct vv_buf names = fixture_list(f, "index");
    size_t segments = 0;
    size_t count = 0;

    for (size_t at = 0; at < names.len; segments++) {
        const char *text = (const char *)names.data + at;
        struct index_iter it;
        struct index_record record;
        struct vv_span bytes;
        char object[128];
        char hex[65];
        uint8_t digest[32];
        (void)snprintf(object, sizeof(object), "index/%s", text);
        assert_true(storage_memory_peek(f->memory, object, &bytes));
        sha256(bytes.data, bytes.len, digest);
        vv_hex(hex, digest, 32);
        assert_string_equal(hex, text);
        must(index_segment_open(bytes, repo_id(f->repo), &it, E));
        while (index_segment_next(&it, &record)) {
            count++;
            if (fn != NULL) {
                fn(ctx, f, &record);
            }
        }
        assert_true(index_segment_ok(&it));
        at += strlen(text) + 1;
    }
    if (ret_segments != NULL) {
        *ret_segments = segments;
    }
    vv_buf_release(&names);
    return count;
}

#endif
