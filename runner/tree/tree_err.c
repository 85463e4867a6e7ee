// SPDX-License-Identifier: Apache-2.0
/* tree_err.c - whose fault it is when a call that reaches into a tree fails. Pure. */
#include "tree_walk.h"

int tree_err_reach(struct dd_err *err, int r)
{
	static const int of_the_tree[] = { -EACCES, -EPERM,   -ENAMETOOLONG, -ELOOP,
		                           -ENOENT, -ENOTDIR, -EISDIR,       -EEXIST };
	for (size_t i = 0; i < ARRAY_LEN(of_the_tree); i++)
		if (r == of_the_tree[i])
			return dd_err_blame(err, DD_BLAME_STEP, r);
	return r;
}
