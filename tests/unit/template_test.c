// SPDX-License-Identifier: Apache-2.0
/* template_test.c - values of YAML 1.2, texts with expressions taken apart, the place of each, and
 * what they come to. */
#include "complaint.h"

#include "runner/forges/actions/taint.h"
#include "runner/forges/actions/template.h"

#include "drydock/err.h"

#include <math.h>

struct world {
	struct plan_arena *arena;
	struct expr_memory mem;
	struct wf_errors errors;
	struct expr_value github, matrix;
};

static const struct expr_rules rules = { .contexts = EXPR_GITHUB | EXPR_MATRIX };

static struct expr_value json(struct world *w, const char *text)
{
	struct expr_value v;
	const char *why;
	size_t at;
	assert_int_equal(expr_json_parse(&w->mem, text, strlen(text), NULL, &v, &at, &why), 0);
	return v;
}

static int find(void *user, const char *name, struct expr_value *ret, struct expr_error *err)
{
	const struct world *w = user;
	(void)err;
	*ret = strcmp(name, "github") == 0   ? w->github
	       : strcmp(name, "matrix") == 0 ? w->matrix
	                                     : expr_null();
	return 0;
}

static void world_open(struct world *w)
{
	*w = (struct world){ .arena = arena_new() };
	w->mem.arena = w->arena;
	w->github = json(w,
	                 "{\"sha\": \"0123456789012345678901234567890123456789\", \"ref\":"
	                 " \"refs/heads/$(x)\", \"event\": {\"issue\": {\"title\": \"a `b` $(c)\","
	                 " \"number\": 7, \"state\": \"open\", \"labels\": [{\"name\": \"x\"}]},"
	                 " \"sender\": {\"login\": \"me[bot]\"}}}");
	w->matrix = json(
		w, "{\"os\": \"linux\", \"n\": [1, 2], \"on\": true, \"map\": {\"A\": 1, \"B\":"
		   " null}}");
	assert_true(taint_mark_github(&w->mem, &w->github));
}

static void world_close(struct world *w)
{
	arena_free(w->arena);
}

/* The value of the key `k` of a file. */
static struct template_node *read_key(struct world *w, const char *yaml)
{
	static const struct tree_options loose = {
		.aliases = true, .tags = true, .any_keys = true, .depth_max = 50, .nodes_max = 10000
	};
	struct diag_list diags = { 0 };
	struct tree_node *root = NULL;
	if (tree_parse_with(w->arena, "w.yml", yaml, strlen(yaml), &loose, &root, NULL, &diags) <
	    0) {
		diag_print(stdout, &diags, yaml, strlen(yaml));
		fail_msg("no YAML: %s", yaml);
	}
	diag_list_done(&diags);
	return template_of_tree(w->arena, tree_get(root, "k"));
}

static struct template_node *split(struct world *w, const char *yaml, struct template_node *node,
                                   bool *failed)
{
	struct template_split s = { .arena = w->arena, .source = yaml, .errors = &w->errors };
	return template_split(&s, node, &rules, failed);
}

static struct expr_scope scope_of(struct world *w)
{
	return (struct expr_scope){ .context = find, .user = w };
}

/* ---- YAML 1.2 ---- */

static const struct scalar_row {
	const char *yaml;
	enum template_kind kind;
	double number; /* also true and false */
	const char *text;
} scalars[] = {
	{ "k:", TEMPLATE_NULL, 0, NULL },
	{ "k: ~", TEMPLATE_NULL, 0, NULL },
	{ "k: Null", TEMPLATE_NULL, 0, NULL },
	{ "k: nULL", TEMPLATE_STRING, 0, "nULL" },
	{ "k: ''", TEMPLATE_STRING, 0, "" },
	{ "k: TRUE", TEMPLATE_BOOL, 1, NULL },
	{ "k: False", TEMPLATE_BOOL, 0, NULL },
	{ "k: yes", TEMPLATE_STRING, 0, "yes" },
	{ "k: on", TEMPLATE_STRING, 0, "on" },
	{ "k: 'true'", TEMPLATE_STRING, 0, "true" },
	{ "k: 007", TEMPLATE_NUMBER, 7, NULL },
	{ "k: +12", TEMPLATE_NUMBER, 12, NULL },
	{ "k: -12", TEMPLATE_NUMBER, -12, NULL },
	{ "k: 0x1F", TEMPLATE_NUMBER, 31, NULL },
	{ "k: 0xFFFFFFFF", TEMPLATE_NUMBER, -1, NULL },
	{ "k: 0X1F", TEMPLATE_STRING, 0, "0X1F" },
	{ "k: -0x1F", TEMPLATE_STRING, 0, "-0x1F" },
	{ "k: 0o17", TEMPLATE_NUMBER, 15, NULL },
	{ "k: 0o18", TEMPLATE_STRING, 0, "0o18" },
	{ "k: 0b1", TEMPLATE_STRING, 0, "0b1" },
	{ "k: 3.10", TEMPLATE_NUMBER, 3.1, NULL },
	{ "k: 3.", TEMPLATE_NUMBER, 3, NULL },
	{ "k: .5", TEMPLATE_NUMBER, .5, NULL },
	{ "k: -1.5e+3", TEMPLATE_NUMBER, -1500, NULL },
	{ "k: 1e3", TEMPLATE_NUMBER, 1000, NULL },
	{ "k: 1e", TEMPLATE_STRING, 0, "1e" },
	{ "k: 1.2.3", TEMPLATE_STRING, 0, "1.2.3" },
	{ "k: 12_345", TEMPLATE_STRING, 0, "12_345" },
	{ "k: 1,000", TEMPLATE_STRING, 0, "1,000" },
	{ "k: -.INF", TEMPLATE_NUMBER, -INFINITY, NULL },
	{ "k: Infinity", TEMPLATE_STRING, 0, "Infinity" },
	{ "k: inf", TEMPLATE_STRING, 0, "inf" },
	{ "k: NaN", TEMPLATE_STRING, 0, "NaN" },
	{ "k: 2001-12-14", TEMPLATE_STRING, 0, "2001-12-14" },
	{ "k: >-\n  3.10\n", TEMPLATE_STRING, 0, "3.10" },
	{ "k: !!str 12", TEMPLATE_STRING, 0, "12" },
	{ "k: !!str", TEMPLATE_STRING, 0, "" },
	{ "k: !!float 1", TEMPLATE_NUMBER, 1, NULL },
	{ "k: !!int 0o7", TEMPLATE_NUMBER, 7, NULL },
	{ "k: !!null null", TEMPLATE_NULL, 0, NULL },
	{ "k: !<tag:yaml.org,2002:bool> True", TEMPLATE_BOOL, 1, NULL },
	{ "x: &a 5\nk: *a", TEMPLATE_NUMBER, 5, NULL },
};

static void scalars_have_the_types_of_yaml_1_2(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
		struct world w;
		world_open(&w);
		const struct template_node *node = read_key(&w, scalars[i].yaml);
		double number = node->kind == TEMPLATE_BOOL ? node->truth : node->number;
		if (node->bad || node->kind != scalars[i].kind ||
		    (node->kind != TEMPLATE_STRING && node->kind != TEMPLATE_NULL &&
		     number != scalars[i].number) ||
		    (scalars[i].text && strcmp(node->text, scalars[i].text) != 0))
			fail_msg("%s: kind %d, %g, `%s`", scalars[i].yaml, node->kind, node->number,
			         node->text ? node->text : "");
		world_close(&w);
	}
}

static const struct bad_row {
	const char *yaml;
	enum wf_class class;
} bads[] = {
	{ "k: !!float test", WF_TAG_VALUE },     { "k: !!float yes", WF_TAG_VALUE },
	{ "k: !!int 1.5", WF_TAG_VALUE },        { "k: !!bool 1", WF_TAG_VALUE },
	{ "k: !!bool 'true'", WF_TAG },          { "k: !!null x", WF_TAG_VALUE },
	{ "k: !!timestamp 2001-12-14", WF_TAG }, { "k: !local x", WF_TAG },
	{ "k: 0xFFFFFFFFF", WF_TAG_VALUE },      { "k: 0o777777777777", WF_TAG_VALUE },
};

static void a_tag_that_does_not_fit_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		struct world w;
		world_open(&w);
		const struct template_node *node = read_key(&w, bads[i].yaml);
		if (!node->bad || node->bad_class != bads[i].class)
			fail_msg("%s: %s", bads[i].yaml, node->bad ? node->bad : "accepted");
		world_close(&w);
	}
}

/* ---- taking apart ---- */

static const struct split_row {
	const char *yaml, *form; /* as GitHub writes it: an expression, or a text behind "=" */
} splits[] = {
	{ "k: plain { text }}", "=plain { text }}" },
	{ "k: ${{ matrix.os }}", "matrix.os" },
	{ "k: '${{matrix.os}}'", "matrix.os" },
	{ "k: \"${{\u00a0matrix.os\t}}\"", "matrix.os" },
	{ "k: a ${{ matrix.os }}", "format('a {0}', matrix.os)" },
	{ "k: ${{ matrix.os }}${{ github.sha }}", "format('{0}{1}', matrix.os, github.sha)" },
	{ "k: \"it's {x} ${{ matrix.os }}\"", "format('it''s {{x}} {0}', matrix.os)" },
	{ "k: ${{ '}}' }}", "=}}" },
	{ "k: ${{ 'it''s' }}", "=it's" },
	{ "k: ${{ '${{ x }}' }}", "=${{ x }}" },
	{ "k: ${{ ('x') }}", "('x')" },
	{ "k: ${{ '' }}", "=" },
	{ "k: ${{ format('{0}}}', 'it''s }}') }}", "format('{0}}}', 'it''s }}')" },
	{ "k: \"${{ matrix.os == '}}' }}}}\"", "format('{0}}}}}', matrix.os == '}}')" },
	{ "k: $${{ matrix.os }}$", "format('${0}$', matrix.os)" },
	{ "k: $ {{ matrix.os }}", "=$ {{ matrix.os }}" },
	{ "k: 12", NULL },
};

static void texts_come_apart_as_github_takes_them_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(splits); i++) {
		struct world w;
		bool failed;
		world_open(&w);
		struct template_node *node = split(&w, splits[i].yaml, read_key(&w, splits[i].yaml),
		                                   &failed);
		const char *form = splits[i].form;
		if (failed)
			fail_msg("%s: %s", splits[i].yaml, w.errors.items[0].text);
		if (form && (node->kind != (*form == '=' ? TEMPLATE_STRING : TEMPLATE_EXPRESSION) ||
		             strcmp(node->text, *form == '=' ? form + 1 : form) != 0))
			fail_msg("%s: %s", splits[i].yaml, node->text);
		assert_true(form || node->kind == TEMPLATE_NUMBER);
		world_close(&w);
	}
}

/* "|>" where a person should look. */
static const struct wrong wrongs[] = {
	{ "k: |>${{ matrix.os", "has no end" },
	{ "k: a |>${{ matrix.os }", "has no end" },
	{ "k: ${{ matrix.os }} |>${{ 'x }}", "has no end" },
	{ "k: |>${{ }}", "is empty" },
	{ "k: |>${{}}", "is empty" },
	{ "k: |>${{ secrets.A }}", "`secrets` is not available here; what is: github, matrix" },
	{ "k: a ${{ matrix.os }} b |>${{ nothing }} c", "`nothing` is neither a context" },
	{ "k: a |>${{ insert }}", "`insert` cannot stand inside of a text" },
	{ "k: |>${{ insert x }}", "`insert` stands alone" },
	{ "k: 'it''s |>${{ x }}'", "`x` is neither" },
	{ "k: \"a\\tb\\u00e4 |>${{ x }}\"", "`x` is neither" },
	{ "k: \"a\\\n  b |>${{ x }}\"", "`x` is neither" },
	{ "k: a\n  b |>${{ x }}", "`x` is neither" },
	{ "k: 'a\n\n  b |>${{ x }}'", "`x` is neither" },
	{ "k: |  # ${{ no }}\n  one \u00e4\n    two\n\n  aa |>${{ x }}\n", "`x` is neither" },
	{ "k: |2-\n\n    one ${{ matrix.os }}|>${{ x }}\n", "`x` is neither" },
	{ "k: >\n  a\n  b\n\n  c\n   d\n  ${{ matrix.os }} |>${{ x }}\n", "`x` is neither" },
	{ "k: !!str |>${{ x }}", "`x` is neither" },
	{ "k: &a '|>${{ x }}'", "`x` is neither" },
};

static void every_wrong_expression_is_found_where_it_stands(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrongs); i++) {
		struct world w;
		struct marked m;
		struct diag_list diags = { 0 };
		bool failed;
		world_open(&w);
		unmark(wrongs[i].text, &m);
		struct template_node *raw = read_key(&w, m.text);
		assert_ptr_equal(split(&w, m.text, raw, &failed), raw);
		assert_true(failed);
		assert_int_equal(w.errors.n, 1);
		assert_int_equal(w.errors.items[0].node.line, raw->mark.line);
		assert_int_equal(w.errors.items[0].node.column, raw->mark.column);
		wf_errors_to_diags(&w.errors, &diags);
		assert_true(has_complaint(&diags, &m, wrongs[i].fragment));
		diag_list_done(&diags);
		world_close(&w);
	}
}

static void columns_count_characters(void **state)
{
	(void)state;
	static const char yaml[] = "k: \u00e4\U0001f600 ${{ x }}";
	struct world w;
	bool failed;
	world_open(&w);
	(void)split(&w, yaml, read_key(&w, yaml), &failed);
	assert_int_equal(w.errors.items[0].at.column, 7);
	assert_int_equal(w.errors.items[0].at.length, 8);
	world_close(&w);
}

/* ---- bounds ---- */

static char *filled(const char *head, const char *part, size_t n, const char *tail)
{
	char *out = malloc(strlen(head) + n * strlen(part) + strlen(tail) + 1), *at = out;
	assert_non_null(out);
	at = stpcpy(at, head);
	for (size_t i = 0; i < n; i++)
		at = stpcpy(at, part);
	(void)stpcpy(at, tail);
	return out;
}

static enum expr_fault fault_of(char *yaml)
{
	struct world w;
	bool failed;
	world_open(&w);
	(void)split(&w, yaml, read_key(&w, yaml), &failed);
	enum expr_fault fault = failed ? w.errors.items[0].fault : EXPR_FAULT_NONE;
	free(yaml);
	world_close(&w);
	return fault;
}

static void the_bounds_of_an_expression_hold_for_the_text_around_it(void **state)
{
	(void)state;
	/* format('…{0}', 1) around n letters: 15 characters more */
	assert_int_equal(fault_of(filled("k: ${{ 1 }}", "x", 20984, "")), EXPR_FAULT_NONE);
	assert_int_equal(fault_of(filled("k: ${{ 1 }}", "x", 20985, "")), EXPR_TOO_LONG);
	assert_int_equal(fault_of(filled("k: ${{ 1 }}", "x", 900000, "")), EXPR_TOO_LONG);
	assert_int_equal(fault_of(filled("k: ", "x", 900000, "")), EXPR_FAULT_NONE);
	assert_int_equal(fault_of(filled("k: ", "${{ 1 }}", 254, "")), EXPR_FAULT_NONE);
	assert_int_equal(fault_of(filled("k: ", "${{ 1 }}", 255, "")), EXPR_TOO_MANY);
	assert_int_equal(fault_of(filled("k: ", "${{ 1 }}", 100000, "")), EXPR_TOO_LONG);
	assert_int_equal(fault_of(filled("k: ${{ ", "!", 49, "1 }}")), EXPR_FAULT_NONE);
	assert_int_equal(fault_of(filled("k: x ${{ ", "!", 48, "1 }}")), EXPR_FAULT_NONE);
	assert_int_equal(fault_of(filled("k: x ${{ ", "!", 49, "1 }}")), EXPR_TOO_DEEP);
}

/* ---- conditions ---- */

static const struct condition_row {
	const char *yaml, *form;
} conditions[] = {
	{ "k:", "success()" },
	{ "k: '  '", "success()" },
	{ "k: matrix.os == 'linux'", "success() && (matrix.os == 'linux')" },
	{ "k: ${{ matrix.on }}", "success() && (matrix.on)" },
	{ "k: always() && matrix.on", "always() && matrix.on" },
	{ "k: \"!Cancelled()\"", "!Cancelled()" },
	{ "k: ${{ failure() }}", "failure()" },
	{ "k: false", "success() && (false)" },
	{ "k: ${{ matrix.on }} == 'b'", "success() && (format('{0} == ''b''', matrix.on))" },
	{ "k: ${{ 'always()' }}", "always()" },
	{ "k: github.event.issue.title == 'success()'",
	  "success() && (github.event.issue.title == 'success()')" },
};

static void a_condition_gets_success_where_it_asks_for_no_status(void **state)
{
	(void)state;
	const struct expr_rules if_rules = { .contexts = rules.contexts, .functions = EXPR_STATUS };
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		struct world w;
		bool failed;
		world_open(&w);
		struct template_split s = { .arena = w.arena,
			                    .source = conditions[i].yaml,
			                    .errors = &w.errors };
		struct template_node *node = template_split(&s, read_key(&w, conditions[i].yaml),
		                                            &if_rules, &failed);
		assert_false(failed);
		node = template_condition(&s, node, &if_rules);
		assert_non_null(node);
		assert_string_equal(node->text, conditions[i].form);
		assert_int_equal(node->n, 1);
		world_close(&w);
	}
}

static void a_condition_that_is_wrong_is_refused_where_it_stands(void **state)
{
	(void)state;
	static const char yaml[] = "k: matrix.os == 'linux' && secrets.A";
	struct world w;
	world_open(&w);
	struct template_split s = { .arena = w.arena, .source = yaml, .errors = &w.errors };
	assert_null(template_condition(&s, read_key(&w, yaml), &rules));
	assert_int_equal(w.errors.n, 1);
	assert_int_equal(w.errors.items[0].fault, EXPR_UNKNOWN_CONTEXT);
	assert_int_equal(w.errors.items[0].position, 25);
	assert_int_equal(w.errors.items[0].at.column, 4);
	world_close(&w);
}

/* ---- computing ---- */

static struct template_node *read_split(struct world *w, const char *yaml)
{
	bool failed = false;
	struct template_node *node = read_key(w, yaml);
	if (!template_is_collection(node))
		node = split(w, yaml, node, &failed);
	for (size_t i = 0; node->kind == TEMPLATE_LIST && i < node->n; i++)
		node->items[i] = split(w, yaml, node->items[i], &failed);
	for (size_t i = 0; node->kind == TEMPLATE_MAP && i < node->n; i++) {
		node->pairs[i].key = split(w, yaml, node->pairs[i].key, &failed);
		node->pairs[i].value = split(w, yaml, node->pairs[i].value, &failed);
	}
	if (failed)
		fail_msg("%s: %s", yaml, w->errors.items[0].text);
	return node;
}

static const struct value_row {
	const char *yaml, *json;
} values[] = {
	{ "k: ${{ matrix.on }}", "true" },
	{ "k: ${{ matrix.n }}", "[\n  1,\n  2\n]" },
	{ "k: ${{ matrix.on }}!", "\"true!\"" },
	{ "k: x${{ matrix.n }}", "\"xArray\"" },
	{ "k: ${{ matrix.nothing }}", "null" },
	{ "k: x${{ matrix.nothing }}", "\"x\"" },
	{ "k: 1.50", "1.5" },
	{ "k: [ 1, '${{ matrix.os }}', x ]", "[\n  1,\n  \"linux\",\n  \"x\"\n]" },
	{ "k: { a: 1, '${{ matrix.os }}': 2 }", "{\n  \"a\": 1,\n  \"linux\": 2\n}" },
	{ "k: { a: 0, '${{ insert }}': '${{ matrix.map }}', c: 2 }",
	  "{\n  \"a\": 1,\n  \"B\": null,\n  \"c\": 2\n}" },
};

static void values_keep_their_type_and_maps_are_spliced(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct world w;
		struct expr_value v, text;
		world_open(&w);
		struct expr_scope scope = scope_of(&w);
		const struct template_node *node = read_split(&w, values[i].yaml);
		if (template_value(node, &scope, &w.mem, &v, &w.errors) < 0)
			fail_msg("%s: %s", values[i].yaml, w.errors.items[0].text);
		assert_true(expr_json_write(&w.mem, &v, NULL, NULL, &text));
		assert_string_equal(text.text, values[i].json);
		world_close(&w);
	}
}

static void what_cannot_be_computed_is_told_with_its_place(void **state)
{
	(void)state;
	static const struct wrong rows[] = {
		{ "k: a\\\n |>${{ fromJSON('{') }}", "no valid JSON at character 2" },
		{ "k: { '${{ insert }}': |>x }", "must be a map" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct world w;
		struct marked m;
		struct diag_list diags = { 0 };
		struct expr_value v;
		world_open(&w);
		struct expr_scope scope = scope_of(&w);
		unmark(rows[i].text, &m);
		assert_int_equal(
			template_value(read_split(&w, m.text), &scope, &w.mem, &v, &w.errors),
			-EINVAL);
		wf_errors_to_diags(&w.errors, &diags);
		assert_true(has_complaint(&diags, &m, rows[i].fragment));
		diag_list_done(&diags);
		world_close(&w);
	}
}

static void a_list_where_a_text_belongs_is_an_error(void **state)
{
	(void)state;
	struct world w;
	struct expr_value v;
	world_open(&w);
	struct expr_scope scope = scope_of(&w);
	assert_int_equal(template_string(read_split(&w, "k: ${{ matrix.n }}"), &scope, &w.mem, &v,
	                                 &w.errors),
	                 -EINVAL);
	assert_int_equal(w.errors.items[0].class, WF_UNEXPECTED_LIST);
	assert_int_equal(template_string(read_split(&w, "k: ${{ matrix.on }}"), &scope, &w.mem, &v,
	                                 &w.errors),
	                 0);
	assert_string_equal(v.text, "true");
	world_close(&w);
}

/* ---- pieces ---- */

/* "written|=computed|!from an outsider" */
static const struct pieces_row {
	const char *yaml, *pieces;
} pieces[] = {
	{ "k: echo hi", "echo hi" },
	{ "k: echo ${{ matrix.os }} there", "echo |=linux| there" },
	{ "k: echo \"${{ github.event.issue.title }}\"", "echo \"|!a `b` $(c)|\"" },
	{ "k: ${{ github.event.issue.number }}", "=7" },
	{ "k: ${{ github.event.issue.state }}", "=open" },
	{ "k: ${{ github.sha }}", "=0123456789012345678901234567890123456789" },
	{ "k: ${{ github.ref }}", "!refs/heads/$(x)" },
	{ "k: ${{ github.event.sender.login }}", "=me[bot]" },
	{ "k: ${{ format('echo {0} {1}', github.ref, matrix.os) }}",
	  "echo |!refs/heads/$(x)| |=linux" },
	{ "k: ${{ format('{{{0}}}', github.ref) }} x", "{|!refs/heads/$(x)|}| x" },
	{ "k: ${{ format(github.ref, 1) }}", "!refs/heads/$(x)" },
	{ "k: ${{ matrix.on && format('{0}', github.ref) }}", "!refs/heads/$(x)" },
	{ "k: ${{ join(github.event.issue.labels.*.name) }}", "!x" },
	{ "k: ${{ 'a' }} b", "a| b" },
	{ "k: ''", "" },
};

static void a_text_comes_in_pieces_that_say_who_wrote_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct world w;
		struct template_piece *list;
		size_t n;
		char all[400] = "";
		world_open(&w);
		struct expr_scope scope = scope_of(&w);
		const struct template_node *node = read_split(&w, pieces[i].yaml);
		assert_int_equal(template_pieces(node, &scope, &w.mem, &list, &n, &w.errors), 0);
		for (size_t k = 0; k < n; k++) {
			size_t used = strlen(all);
			assert_true(!list[k].outsider || !list[k].written);
			assert_true(list[k].written == !list[k].expression);
			(void)snprintf(all + used, sizeof(all) - used, "%s%s%s", k ? "|" : "",
			               list[k].written    ? ""
			               : list[k].outsider ? "!"
			                                  : "=",
			               list[k].text);
		}
		if (strcmp(all, pieces[i].pieces) != 0)
			fail_msg("%s: %s", pieces[i].yaml, all);
		world_close(&w);
	}
}

static void a_piece_names_its_path_its_expression_and_its_place(void **state)
{
	(void)state;
	struct world w;
	struct template_piece *list;
	size_t n;
	world_open(&w);
	struct expr_scope scope = scope_of(&w);
	const struct template_node *node = read_split(
		&w, "k: |\n  one\n  echo ${{ format('-{0}', github.event.issue.title) }}\n");
	assert_int_equal(template_pieces(node, &scope, &w.mem, &list, &n, &w.errors), 0);
	assert_int_equal(n, 4);
	assert_string_equal(list[0].text, "one\necho ");
	assert_string_equal(list[1].text, "-");
	assert_string_equal(list[2].outsider, "github.event.issue.title");
	assert_memory_equal(list[2].expression, "format('-{0}', ", 15);
	assert_int_equal(list[2].at.line, 3);
	assert_int_equal(list[2].at.column, 8);
	assert_int_equal(list[2].at.length, 47);
	world_close(&w);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars_have_the_types_of_yaml_1_2),
		cmocka_unit_test(a_tag_that_does_not_fit_is_known),
		cmocka_unit_test(texts_come_apart_as_github_takes_them_apart),
		cmocka_unit_test(every_wrong_expression_is_found_where_it_stands),
		cmocka_unit_test(columns_count_characters),
		cmocka_unit_test(the_bounds_of_an_expression_hold_for_the_text_around_it),
		cmocka_unit_test(a_condition_gets_success_where_it_asks_for_no_status),
		cmocka_unit_test(a_condition_that_is_wrong_is_refused_where_it_stands),
		cmocka_unit_test(values_keep_their_type_and_maps_are_spliced),
		cmocka_unit_test(what_cannot_be_computed_is_told_with_its_place),
		cmocka_unit_test(a_list_where_a_text_belongs_is_an_error),
		cmocka_unit_test(a_text_comes_in_pieces_that_say_who_wrote_them),
		cmocka_unit_test(a_piece_names_its_path_its_expression_and_its_place),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
