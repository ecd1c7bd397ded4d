/* rbtree.c - core/rbtree: the invariants, under random insertion and removal.
 */
#include "core/rbtree.h"

#include <stddef.h>
#include <stdlib.h>

#include "selftest/unit/unit.h"

#define NODES 400

struct item {
	struct rb_node node;
	int key;
	bool in;
	int max; /* augmented: largest key below */
};

static struct item items[NODES];
static struct rb_tree tree;

static struct item *item_of(struct rb_node *n)
{
	return rb_entry(n, struct item, node);
}

static bool item_augment(struct rb_node *n)
{
	struct item *it = item_of(n);
	int max = it->key, old = it->max;

	for (int i = 0; i < 2; i++)
		if (n->child[i] && item_of(n->child[i])->max > max)
			max = item_of(n->child[i])->max;
	it->max = max;
	return max != old;
}

static void insert(struct item *it)
{
	struct rb_node **link = &tree.root, *up = NULL;

	while (*link) {
		up = *link;
		link = &up->child[it->key >= item_of(up)->key];
	}
	rb_link(&it->node, up, link);
	rb_rebalance(&tree, &it->node);
	it->in = true;
}

/* Returns the black height; checks colours, parents, maxima. */
static int check(struct rb_node *n, struct rb_node *up)
{
	bool red = n && !(n->parent_color & 1);
	struct item old;
	int l, r;

	if (!n)
		return 1;
	CHECK((n->parent_color & ~(uintptr_t)1) == (uintptr_t)up);
	CHECK(!red || (up && (up->parent_color & 1)));
	l = check(n->child[0], n);
	r = check(n->child[1], n);
	CHECK(l == r);
	old = *item_of(n);
	if (tree.augment)
		CHECK(!item_augment(n) && old.max == item_of(n)->max);
	return l + !red;
}

static void check_order(void)
{
	struct rb_node *n, *prev = NULL;
	int seen = 0, in = 0;

	for (n = rb_first(&tree); n; prev = n, n = rb_next(n), seen++) {
		CHECK(rb_prev(n) == prev);
		CHECK(!prev || item_of(prev)->key <= item_of(n)->key);
	}
	CHECK(rb_last(&tree) == prev);
	for (int i = 0; i < NODES; i++)
		in += items[i].in;
	CHECK(seen == in);
}

static void churn(void)
{
	srand(1);
	for (int round = 0; round < 6000; round++) {
		struct item *it = &items[rand() % NODES];

		if (it->in) {
			rb_erase(&tree, &it->node);
			it->in = false;
		} else {
			it->key = rand() % 200;
			insert(it);
		}
		check(tree.root, NULL);
		if (round % 50 == 0)
			check_order();
	}
	for (int i = 0; i < NODES; i++)
		if (items[i].in)
			rb_erase(&tree, &items[i].node);
	CHECK(!tree.root);
}

TEST(rbtree, plain)
{
	churn();
}

TEST(rbtree, augmented)
{
	tree.augment = item_augment;
	churn();
}

TEST(rbtree, propagate_after_a_change)
{
	tree.augment = item_augment;
	for (int i = 0; i < 100; i++) {
		items[i].key = i;
		insert(&items[i]);
	}
	items[99].key = 1000;
	rb_propagate(&tree, &items[99].node);
	check(tree.root, NULL);
	CHECK(item_of(tree.root)->max == 1000);
}
