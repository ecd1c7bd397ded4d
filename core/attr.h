/* attr.h - compiler attributes with readable names.  Depends on nothing of ours. */
#pragma once

#include <stddef.h>

#define PRINTF(f, a)	__attribute__((format(printf, f, a)))
#define MUST_CHECK	__attribute__((warn_unused_result))
#define NORETURN	__attribute__((noreturn))
#define UNUSED		__attribute__((unused))
#define CLEANUP(fn)	__attribute__((cleanup(fn)))
#define NONSTRING	__attribute__((nonstring))

/*
 * Lock annotations.  clang checks them (make lint); every other
 * compiler sees nothing.  The argument is always a lock CLASS (lc_xxx from
 * lockorder.def), never a member of the struct: clang 14 cannot name a
 * sibling member inside a C struct.
 */
#if defined(__clang__)
#define TSA(x)		__attribute__((x))
#else
#define TSA(x)
#endif
#define LOCK_TYPE		TSA(capability("lock class"))
#define GUARDED_BY(lc)		TSA(guarded_by(lc))
#define PT_GUARDED_BY(lc)	TSA(pt_guarded_by(lc))
#define HOLDS(...)		TSA(requires_capability(__VA_ARGS__))
#define HOLDS_SHARED(...)	TSA(requires_shared_capability(__VA_ARGS__))
#define EXCLUDES(...)		TSA(locks_excluded(__VA_ARGS__))
#define ACQUIRES(...)		TSA(acquire_capability(__VA_ARGS__))
#define ACQUIRES_SHARED(...)	TSA(acquire_shared_capability(__VA_ARGS__))
#define RELEASES(...)		TSA(release_capability(__VA_ARGS__))
#define RELEASES_SHARED(...)	TSA(release_shared_capability(__VA_ARGS__))
#define ACQUIRED_AFTER(...)	TSA(acquired_after(__VA_ARGS__))
#define LOCKS_UNCHECKED		TSA(no_thread_safety_analysis)

#define container_of(p, type, member) \
	((type *)((char *)(p) - offsetof(type, member)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define MAX(a, b)	({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN_UP(x, a)	ALIGN_DOWN((x) + ((__typeof__(x))(a) - 1), a)
#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)
