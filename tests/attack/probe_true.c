// SPDX-License-Identifier: Apache-2.0
/* probe_true.c - does nothing, statically linked: what the launch benchmark starts, so that no
 * loader is in the number. */
int main(void)
{
	return 0;
}
