/*
 * lock.h - mutexes and reader-writer locks that know their place.
 *
 * A lock belongs to a lock class (lockorder.def).  Declare the lock in the
 * struct, name the fields it guards with GUARDED_BY(lc_xxx), and instantiate
 * LOCK_OPS() or RWLOCK_OPS() once below the struct to get xxx_lock() and
 * xxx_unlock().  clang checks the classes at compile time (make lint), builds
 * with LOCK_DEBUG (every sanitizer build) check the order at run time.
 *
 * Both kinds are a word on the host's futex: 8 and 16 bytes, no allocation, no
 * system call while uncontended.  They are not recursive.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "core/attr.h"

struct LOCK_TYPE lock_class {
	const char *name;
	int rank;			/* line in lockorder.def */
};

extern struct lock_class lc_root;
#define LOCK(name, after, what) \
	extern struct lock_class lc_##name ACQUIRED_AFTER(lc_##after);
#include "core/lockorder.def"
#undef LOCK

enum lock_rank {
#define LOCK(name, after, what) RANK_##name = __LINE__,
#include "core/lockorder.def"
#undef LOCK
	LOCK_RANKS
};

struct mutex {
	atomic_uint word;		/* 0 free, 1 held, 2 held with waiters */
	int rank;			/* I: index of its class */
};

struct rwlock {
	atomic_uint word;		/* readers, RW_WRITER, RW_WAITERS */
	atomic_uint writers;		/* writers waiting: new readers queue behind */
	atomic_uint seq;		/* what waiters sleep on */
	int rank;
};

/* For locks with static storage: static struct mutex m = MUTEX_INIT(log); */
#define MUTEX_INIT(class)	{ 0, RANK_##class }
#define RWLOCK_INIT(class)	{ 0, 0, 0, RANK_##class }

/* All of these check nothing at compile time: use LOCK_OPS(). */
void mutex_init(struct mutex *m, struct lock_class *class);
void mutex_acquire(struct mutex *m);
bool mutex_try(struct mutex *m) MUST_CHECK;
void mutex_release(struct mutex *m);
/* Two of one class, in order of address; equal ones once.  Only for x_lock_two(). */
void mutex_acquire_two(struct mutex *a, struct mutex *b);
void mutex_release_two(struct mutex *a, struct mutex *b);
/* Aborts a debug build when the caller does not hold @m. */
void mutex_assert_held(struct mutex *m);

void rwlock_init(struct rwlock *l, struct lock_class *class);
void rwlock_read(struct rwlock *l);
void rwlock_write(struct rwlock *l);
/* A second one of the class, of an object that nobody locks before the first (fork's child). */
void rwlock_write_nested(struct rwlock *l);
void rwlock_release_read(struct rwlock *l);
void rwlock_release_write(struct rwlock *l);

#define LOCK_OPS(class, type, member)					\
static inline UNUSED void class##_lock(type *o)				\
	ACQUIRES(lc_##class) LOCKS_UNCHECKED;				\
static inline void class##_lock(type *o) { mutex_acquire(&o->member); }	\
static inline UNUSED void class##_unlock(type *o)			\
	RELEASES(lc_##class) LOCKS_UNCHECKED;				\
static inline void class##_unlock(type *o) { mutex_release(&o->member); }

#define RWLOCK_OPS(class, type, member)					\
static inline UNUSED void class##_read(type *o)				\
	ACQUIRES_SHARED(lc_##class) LOCKS_UNCHECKED;			\
static inline void class##_read(type *o) { rwlock_read(&o->member); }	\
static inline UNUSED void class##_read_done(type *o)			\
	RELEASES_SHARED(lc_##class) LOCKS_UNCHECKED;			\
static inline void class##_read_done(type *o)				\
{ rwlock_release_read(&o->member); }					\
static inline UNUSED void class##_write(type *o)			\
	ACQUIRES(lc_##class) LOCKS_UNCHECKED;				\
static inline void class##_write(type *o) { rwlock_write(&o->member); }	\
static inline UNUSED void class##_write_done(type *o)			\
	RELEASES(lc_##class) LOCKS_UNCHECKED;				\
static inline void class##_write_done(type *o)				\
{ rwlock_release_write(&o->member); }
