/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef VARVE_CORE_MACROS_H
#define VARVE_CORE_MACROS_H

/* Attributes and the few macros the whole tree shares. */

/** Every fallible function carries this: a result nobody looks at is a compile error. */
#define MUST_CHECK __attribute__((warn_unused_result))

/** printf-style format checking for a function's parameters ${fmt} and ${first}. */
#define VV_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/** Run ${fn} with the variable's address when the variable leaves its scope. */
#define VV_CLEANUP(fn) __attribute__((cleanup(fn)))

/** Hand a pointer over: yields the pointer and leaves NULL behind. */
#define TAKE(ptr)                                                                                  \
    __extension__({                                                                                \
        __typeof__(ptr) vv_taken_ = (ptr);                                                         \
        (ptr) = NULL;                                                                              \
        vv_taken_;                                                                                 \
    })

/** Return from the calling function with the same code if ${call} did not yield VV_OK.  This is
 *  the single macro that is allowed to return. */
#define VV_TRY(call)                                                                               \
    do {                                                                                           \
        enum vv_rc vv_rc_ = (call);                                                                \
        if (vv_rc_ != VV_OK) {                                                                     \
            return vv_rc_;                                                                         \
        }                                                                                          \
    } while (0)

/** Number of elements of an array (not of a pointer). */
#define VV_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/** Define ${name}p(T **): the cleanup function that calls ${name}(T *), which accepts NULL. */
#define VV_DEFINE_CLEANUP(type, name)                                                              \
    static inline void name##p(type **object)                                                      \
    {                                                                                              \
        name(*object);                                                                             \
    }                                                                                              \
    struct vv_swallow_semicolon_

#endif
