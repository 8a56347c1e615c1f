/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CI_ANALYZER_H
#define VARVE_CI_ANALYZER_H

/*
 * Included before every file that clang-tidy reads, except error.c.  Its analyzer sees one file at
 * a time and does not know that these functions return what they are given and never VV_OK, so it
 * follows "failed, but went on" paths that do not exist.  Here it is told.
 */
#include "core/error.h"

#define vv_error_set(err, code, ...)                                                               \
    __extension__({                                                                                \
        enum vv_rc vv_told_ = (code);                                                              \
        (void)(vv_error_set)(err, vv_told_, __VA_ARGS__);                                          \
        if (vv_told_ == VV_OK) {                                                                   \
            __builtin_unreachable();                                                               \
        }                                                                                          \
        vv_told_;                                                                                  \
    })
#define vv_error_sys(...) ((void)(vv_error_sys)(__VA_ARGS__), VV_EIO)
#define vv_error_prefix(...) ((void)(vv_error_prefix)(__VA_ARGS__), VV_EIO)
#define vv_error_nomem(err) ((void)(vv_error_nomem)(err), VV_ENOMEM)
#define vv_error_origin(err, origin, code)                                                         \
    __extension__({                                                                                \
        enum vv_rc vv_told_ = (code);                                                              \
        (void)(vv_error_origin)(err, origin, vv_told_);                                            \
        vv_told_;                                                                                  \
    })

#endif
