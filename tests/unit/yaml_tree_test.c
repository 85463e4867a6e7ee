// SPDX-License-Identifier: Apache-2.0
/* yaml_tree_test.c - a bounded tree with true positions, and nothing of YAML that hides where a
 * value comes from. */
#include "complaint.h"

#include "runner/input/yaml_tree.h"

#include <errno.h>

static const struct wrong wrongs[] = {
	{ "", "the file is empty" },
	{ "# only a comment\n", "the file is empty" },
	{ "a: |>&x 1\n", "anchors are not supported" },
	{ "a: |>&x [ 1 ]\n", "anchors are not supported" },
	{ "a: |>*x\n", "aliases are not supported" },
	{ "a: |>!!binary x\n", "tags are not supported" },
	{ "a: |>!local { b: 1 }\n", "tags are not supported" },
	{ "|><<: { a: 1 }\n", "merge keys are not supported" },
	{ "|>[ a ]: b\n", "a key must be a plain word" },
	{ "a: 1\nb: 2\n|>a: 3\n", "duplicate key `a`: first at t.yml:1:1" },
	{ "a: 1\n'b': 2\n|>\"b\": 3\n", "duplicate key `b`: first at t.yml:2:1" },
	{ "a: { x: 1, y: 2, |>x: 3 }\n", "duplicate key `x`: first at t.yml:1:6" },
	{ "a: 1\n|>--- \nb: 1\n", "a second document" },
	{ "a: |>\"x\\0y\"\n", "a NUL character" },
	{ "a: 1|>\rb: 2\n", "a line separator" },
	{ "a: 1|>\xc2\x85\n", "a line separator" },
	{ "\xc3\xa4: 1\n", NULL }, /* fine: UTF-8 */
	{ "a: \xe2\x80\xa8\n", "a line separator" },
	{ "a: 'open\n", "quoted scalar" },
	{ "a: [ 1\n", "flow sequence" },
	{ "%TAG ! tag:x,2000:\n---\na: 1\n", "%TAG directives" },
};

static int parse(const char *text, size_t len, struct plan_arena *arena, struct tree_node **ret,
                 struct diag_list *diags)
{
	*ret = NULL;
	return tree_parse(arena, "t.yml", text, len, ret, diags);
}

static void what_yaml_can_hide_is_refused_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		struct plan_arena *arena = arena_new();
		struct diag_list diags = { 0 };
		struct tree_node *root;
		struct marked m;
		unmark(wrongs[i].text, &m);
		int r = parse(m.text, strlen(m.text), arena, &root, &diags);
		assert_int_equal(r, wrongs[i].fragment ? -EINVAL : 0);
		if (wrongs[i].fragment) {
			assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
			assert_null(root);
		}
		diag_list_done(&diags);
		arena_free(arena);
	}
}

/* "[[[...]]]", n deep */
static int parse_depth(size_t n)
{
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	char text[200];
	assert_true(2 * n < sizeof(text));
	memset(text, '[', n);
	memset(text + n, ']', n);
	int r = parse(text, 2 * n, arena, &root, &diags);
	diag_list_done(&diags);
	arena_free(arena);
	return r;
}

static void depth_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(parse_depth(TREE_DEPTH_MAX), 0);
	assert_int_equal(parse_depth(TREE_DEPTH_MAX + 1), -EINVAL);
}

static int parse_many(size_t n)
{
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	char *text = calloc(1, 2 * n + 2), *at = text;
	assert_non_null(text);
	*at++ = '[';
	for (size_t i = 1; i < n; i++) { /* the list is a node too */
		*at++ = 'x';
		*at++ = ',';
	}
	*at++ = ']';
	int r = parse(text, (size_t)(at - text), arena, &root, &diags);
	diag_list_done(&diags);
	arena_free(arena);
	free(text);
	return r;
}

static void nodes_and_bytes_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(parse_many(TREE_NODES_MAX), 0);
	assert_int_equal(parse_many(TREE_NODES_MAX + 1), -EINVAL);

	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	char *text = malloc(TREE_BYTES_MAX + 1);
	assert_non_null(text);
	memset(text, 'x', TREE_BYTES_MAX + 1);
	assert_int_equal(parse(text, TREE_BYTES_MAX, arena, &root, &diags), 0);
	assert_int_equal(parse(text, TREE_BYTES_MAX + 1, arena, &root, &diags), -EINVAL);
	free(text);
	diag_list_done(&diags);
	arena_free(arena);
}

static void marks_count_characters_and_find_places_inside_scalars(void **state)
{
	(void)state;
	static const char text[] =
		"\xc3\xa4: { \xc3\xb6: 'x' }\nb: |  # HIT in a comment\n  one\n  \xc3\xbc HIT\n";
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	assert_int_equal(parse(text, sizeof(text) - 1, arena, &root, &diags), 0);
	const struct tree_node *inner = tree_get(tree_get(root, "\xc3\xa4"), "\xc3\xb6");
	assert_int_equal(inner->mark.column, 9);
	assert_int_equal(inner->mark.length, 3);
	struct diag_mark hit = tree_mark_inside(tree_get(root, "b"), text, "HIT", 3);
	assert_int_equal(hit.line, 4);
	assert_int_equal(hit.column, 5);
	diag_list_done(&diags);
	arena_free(arena);
}

static void only_yaml_1_2_booleans_and_nulls_count(void **state)
{
	(void)state;
	static const char text[] = "[ true, False, yes, on, 'true', ~, null, '', x ]";
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	bool b = false;
	assert_int_equal(parse(text, sizeof(text) - 1, arena, &root, &diags), 0);
	assert_true(tree_is_bool(root->items[0], &b) && b);
	assert_true(tree_is_bool(root->items[1], &b) && !b);
	for (size_t i = 2; i < 5; i++)
		assert_false(tree_is_bool(root->items[i], &b));
	assert_true(tree_is_null(root->items[5]) && tree_is_null(root->items[6]));
	assert_false(tree_is_null(root->items[7]) || tree_is_null(root->items[8]));
	diag_list_done(&diags);
	arena_free(arena);
}

static const struct tree_options loose = {
	.aliases = true, .tags = true, .any_keys = true, .depth_max = 40, .nodes_max = 1000
};

static int parse_loose(const char *text, struct plan_arena *arena, struct tree_node **ret,
                       enum tree_trouble *trouble, struct diag_list *diags)
{
	*ret = NULL;
	return tree_parse_with(arena, "t.yml", text, strlen(text), &loose, ret, trouble, diags);
}

static void an_alias_is_the_node_that_it_names(void **state)
{
	(void)state;
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root;
	assert_int_equal(
		parse_loose("a: &x { k: 1 }\nb: *x\n<<: *x\nc: &x !!str 2\nd: *x\nd: !t 3\n", arena,
	                    &root, NULL, &diags),
		0);
	assert_int_equal(root->n, 6);
	assert_ptr_equal(root->pairs[1].value, root->pairs[0].value);
	assert_ptr_equal(root->pairs[2].value, root->pairs[0].value);
	assert_string_equal(root->pairs[2].key->text, "<<");
	assert_string_equal(root->pairs[3].value->tag, "tag:yaml.org,2002:str");
	assert_ptr_equal(root->pairs[4].value, root->pairs[3].value); /* the newest of that name */
	assert_string_equal(root->pairs[5].value->tag, "!t");
	assert_null(root->pairs[0].value->tag);
	assert_int_equal(root->weight, 1 + 6 + 3 * 3 + 1 + 1 + 1);
	diag_list_done(&diags);
	arena_free(arena);
}

static const struct trouble_row {
	const char *text, *fragment;
	enum tree_trouble trouble;
} troubles[] = {
	{ "a: &x [ *x ]\n", "no anchor `x` stands before", TREE_TROUBLE_ANCHOR },
	{ "a: *x\nb: &x 1\n", "no anchor `x` stands before", TREE_TROUBLE_ANCHOR },
	{ "a: [\n", "flow", TREE_TROUBLE_SYNTAX },
	{ "[ a ]: b\n", "a key must be a plain word", TREE_TROUBLE_SYNTAX },
	{ "a: &a [ 1, 1, 1, 1, 1, 1, 1, 1, 1 ]\nb: &b [ *a, *a, *a, *a, *a, *a, *a, *a, *a ]\n"
	  "c: &c [ *b, *b, *b, *b, *b, *b, *b, *b, *b ]\nd: [ *c, *c, *c ]\n",
	  "more than 1000 nodes", TREE_TROUBLE_NODES },
	{ "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1", "deeper than 40", TREE_TROUBLE_DEPTH },
};

static void what_became_no_tree_is_told_with_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		struct plan_arena *arena = arena_new();
		struct diag_list diags = { 0 };
		struct tree_node *root;
		enum tree_trouble trouble;
		assert_int_equal(parse_loose(troubles[i].text, arena, &root, &trouble, &diags),
		                 -EINVAL);
		assert_int_equal(trouble, troubles[i].trouble);
		assert_true(diags.n > 0 && strstr(diags.items[0].text, troubles[i].fragment));
		diag_list_done(&diags);
		arena_free(arena);
	}
}

/* It is no character: what stands behind it is at column 1, for people and for the source's bytes.
 */
static void a_byte_order_mark_moves_nothing(void **state)
{
	(void)state;
	static const char text[] = "\xef\xbb\xbf# note\na: 1\nb: [ x\n";
	struct plan_arena *arena = arena_new();
	struct diag_list diags = { 0 };
	struct tree_node *root = NULL;
	assert_int_equal(tree_parse(arena, "t",
	                            "\xef\xbb\xbf"
	                            "k: value\n",
	                            12, &root, &diags),
	                 0);
	assert_int_equal(root->pairs[0].key->mark.column, 1);
	assert_int_equal(root->pairs[0].value->mark.column, 4);
	assert_int_equal(root->pairs[0].value->start, 6);
	assert_int_equal(tree_parse(arena, "t", text, sizeof(text) - 1, &root, &diags), -EINVAL);
	assert_int_equal(diags.items[0].mark.line, 4);
	diag_list_done(&diags);
	arena_free(arena);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_byte_order_mark_moves_nothing),
		cmocka_unit_test(what_yaml_can_hide_is_refused_with_its_place),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(an_alias_is_the_node_that_it_names),
		cmocka_unit_test(what_became_no_tree_is_told_with_its_class),
		cmocka_unit_test(nodes_and_bytes_are_bounded),
		cmocka_unit_test(marks_count_characters_and_find_places_inside_scalars),
		cmocka_unit_test(only_yaml_1_2_booleans_and_nulls_count),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
