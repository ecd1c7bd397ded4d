/*
 * rbtree.h - intrusive red-black trees.
 *
 * The caller descends and compares; rb_link() then rb_rebalance().  An
 * augmented tree sets @augment: it recomputes one node from its children and
 * returns true when the node changed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"

struct rb_node {
	uintptr_t parent_color;
	struct rb_node *child[2];	/* left, right */
};

struct rb_tree {
	struct rb_node *root;
	bool (*augment)(struct rb_node *n);	/* NULL: plain tree */
};

#define rb_entry(p, type, member) \
	({ struct rb_node *n_ = (p); n_ ? container_of(n_, type, member) : NULL; })

/* Hangs @n below @parent at *@link (both found by the caller), unbalanced. */
void rb_link(struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_rebalance(struct rb_tree *t, struct rb_node *n);
void rb_erase(struct rb_tree *t, struct rb_node *n);
/* Recomputes @n and its ancestors after a key or size in @n changed. */
void rb_propagate(struct rb_tree *t, struct rb_node *n);
struct rb_node *rb_first(const struct rb_tree *t);
struct rb_node *rb_last(const struct rb_tree *t);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);
