/* copytree.h - a copy of what a directory holds. */
#pragma once

#include "core/attr.h"

struct cred;
struct path;

/*
 * Copies what is in @from into @to (borrowed), with owners, modes and times.
 * GAP: extended attributes stay behind, hard links become files of their own.
 */
int copy_tree(const struct path *from, const struct path *to, const struct cred *cred) MUST_CHECK;
