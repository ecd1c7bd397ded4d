/*
 * rbtree.c - red-black trees.
 *
 * The colour is the low bit of the parent pointer.  Invariants: the root is
 * black, a red node has black children, every path down from a node passes as
 * many black nodes.  "dir" is 0 for left and 1 for right, so that each case is
 * written once and serves its mirror image too.
 */
#include "core/rbtree.h"

#include <stddef.h>

#define BLACK ((uintptr_t)1)

static struct rb_node *parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_color & ~BLACK);
}

static bool is_red(const struct rb_node *n)
{
	return n && !(n->parent_color & BLACK);
}

static void set_parent(struct rb_node *n, struct rb_node *p)
{
	n->parent_color = (uintptr_t)p | (n->parent_color & BLACK);
}

static void set_red(struct rb_node *n)
{
	n->parent_color &= ~BLACK;
}

static void set_black(struct rb_node *n)
{
	n->parent_color |= BLACK;
}

/* Makes @new the child of @p (or the root) where @old was. */
static void replace_child(struct rb_tree *t, struct rb_node *p,
	const struct rb_node *old, struct rb_node *new)
{
	if (!p)
		t->root = new;
	else
		p->child[p->child[1] == old] = new;
}

/* Recomputes everything from @n to the root. */
static void augment_up(struct rb_tree *t, struct rb_node *n)
{
	if (t->augment)
		for (; n; n = parent(n))
			t->augment(n);
}

/* @n goes down to the side @dir, its child of the other side takes its place.
 */
static void rotate(struct rb_tree *t, struct rb_node *n, int dir)
{
	struct rb_node *up = n->child[!dir], *p = parent(n);

	n->child[!dir] = up->child[dir];
	if (n->child[!dir])
		set_parent(n->child[!dir], n);
	up->child[dir] = n;
	set_parent(up, p);
	replace_child(t, p, n, up);
	set_parent(n, up);
	if (t->augment) {
		t->augment(n);
		t->augment(up);
	}
}

void rb_link(struct rb_node *n, struct rb_node *p, struct rb_node **link)
{
	*n = (struct rb_node){ .parent_color = (uintptr_t)p };
	*link = n;
}

void rb_rebalance(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *p, *grand, *uncle;

	augment_up(t, n);
	while (is_red(p = parent(n))) {
		int dir = (grand = parent(p))->child[1] == p;

		uncle = grand->child[!dir];
		if (is_red(uncle)) {
			set_black(p);
			set_black(uncle);
			set_red(grand);
			n = grand;
			continue;
		}
		if (p->child[!dir] == n) {
			rotate(t, p, dir);
			p = n;
		}
		set_black(p);
		set_red(grand);
		rotate(t, grand, !dir);
		break;
	}
	set_black(t->root);
}

/* The side @dir of @p (whose node is @n, or NULL) is one black node short. */
static void erase_rebalance(
	struct rb_tree *t, struct rb_node *p, struct rb_node *n)
{
	while (p && !is_red(n)) {
		int dir = p->child[1] == n;
		struct rb_node *sib = p->child[!dir];

		if (is_red(sib)) {
			set_black(sib);
			set_red(p);
			rotate(t, p, dir);
			sib = p->child[!dir];
		}
		if (!is_red(sib->child[0]) && !is_red(sib->child[1])) {
			set_red(sib);
			n = p;
			p = parent(n);
			continue;
		}
		if (!is_red(sib->child[!dir])) {
			set_black(sib->child[dir]);
			set_red(sib);
			rotate(t, sib, !dir);
			sib = p->child[!dir];
		}
		if (is_red(p))
			set_red(sib);
		else
			set_black(sib);
		set_black(p);
		set_black(sib->child[!dir]);
		rotate(t, p, dir);
		return;
	}
	if (n)
		set_black(n);
}

/* Puts @next, already cut out of the tree, in the place of @n. */
static void swap_with_next(
	struct rb_tree *t, struct rb_node *n, struct rb_node *next)
{
	struct rb_node *p = parent(n);

	next->parent_color = n->parent_color;
	for (int dir = 0; dir < 2; dir++) {
		next->child[dir] = n->child[dir];
		if (next->child[dir])
			set_parent(next->child[dir], next);
	}
	replace_child(t, p, n, next);
}

void rb_erase(struct rb_tree *t, struct rb_node *n)
{
	struct rb_node *gone = n, *child, *p;
	bool was_red;

	if (n->child[0] && n->child[1])
		for (gone = n->child[1]; gone->child[0];)
			gone = gone->child[0];
	child = gone->child[gone->child[0] == NULL];
	p = parent(gone);
	was_red = is_red(gone);

	if (child)
		set_parent(child, p);
	replace_child(t, p, gone, child);
	if (gone != n) {
		if (p == n)
			p = gone;
		swap_with_next(t, n, gone);
	}
	augment_up(t, p);
	if (!was_red)
		erase_rebalance(t, p, child);
	*n = (struct rb_node){ 0 };
}

void rb_propagate(struct rb_tree *t, struct rb_node *n)
{
	while (n && t->augment && t->augment(n))
		n = parent(n);
}

static struct rb_node *end_of(struct rb_node *n, int dir)
{
	while (n && n->child[dir])
		n = n->child[dir];
	return n;
}

struct rb_node *rb_first(const struct rb_tree *t)
{
	return end_of(t->root, 0);
}

struct rb_node *rb_last(const struct rb_tree *t)
{
	return end_of(t->root, 1);
}

static struct rb_node *step(const struct rb_node *n, int dir)
{
	struct rb_node *p;

	if (n->child[dir])
		return end_of(n->child[dir], !dir);
	while ((p = parent(n)) && p->child[dir] == n)
		n = p;
	return p;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	return step(n, 1);
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	return step(n, 0);
}
