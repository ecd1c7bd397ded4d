/* list.h - circular doubly linked lists with an embedded head. */
#pragma once

#include <stdbool.h>

#include "core/attr.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) { &(name), &(name) }

static inline void list_init(struct list *h) { h->next = h->prev = h; }
static inline bool list_empty(const struct list *h) { return h->next == h; }

static inline void list_insert_(struct list *n, struct list *prev, struct list *next)
{
	n->prev = prev;
	n->next = next;
	prev->next = n;
	next->prev = n;
}

static inline void list_add(struct list *h, struct list *n) { list_insert_(n, h, h->next); }
static inline void list_add_tail(struct list *h, struct list *n) { list_insert_(n, h->prev, h); }

/* Leaves @n an empty list of its own: a second list_del() is harmless. */
static inline void list_del(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/* Moves everything on @from to the end of @to. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(p, type, member)	container_of(p, type, member)
#define list_first(h, type, member) \
	(list_empty(h) ? NULL : list_entry((h)->next, type, member))
#define list_for_each(p, h, member)					\
	for (p = list_entry((h)->next, __typeof__(*p), member);		\
	     &p->member != (h);						\
	     p = list_entry(p->member.next, __typeof__(*p), member))
/* @p may be removed (and freed) in the body. */
#define list_for_each_safe(p, n, h, member)				\
	for (p = list_entry((h)->next, __typeof__(*p), member),		\
	     n = list_entry(p->member.next, __typeof__(*p), member);	\
	     &p->member != (h);						\
	     p = n, n = list_entry(n->member.next, __typeof__(*p), member))
