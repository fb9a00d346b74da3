package main

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitWords_keeps_what_is_quoted(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string // nil: an error
	}{
		{"", []string{}},
		{" \t ", []string{}},
		{"infer  a=1\tb=2 ", []string{"infer", "a=1", "b=2"}},
		{`infer prompt="a red circle" seed=7`, []string{"infer", "prompt=a red circle", "seed=7"}},
		{`p='a "b" \c'`, []string{`p=a "b" \c`}},
		{`p="it's \"so\" \\"`, []string{`p=it's "so" \`}},
		{`p="" ''`, []string{"p=", ""}},
		{`a\ b`, []string{"a b"}},
		{`ein blaues "Häuschen ☃"`, []string{"ein", "blaues", "Häuschen ☃"}},
		{`p="a red`, nil},
		{`p='a red`, nil},
		{`p=a\`, nil},
	} {
		got, err := splitWords(c.line)
		if (err != nil) != (c.want == nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, %v; want %q", c.line, got, err, c.want)
		}
	}
}

// Words that are quoted come back as they were.
func FuzzSplitWords(f *testing.F) {
	f.Add("a red circle", `it's "so" \`)
	f.Add("", "☃")
	f.Fuzz(func(t *testing.T, a, b string) {
		_, _ = splitWords(a)
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?")
		quoted := func(s string) string {
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
		got, err := splitWords(quoted(a) + " " + quoted(b))
		if err != nil || !slices.Equal(got, []string{a, b}) {
			t.Errorf("%q, %v of %q and %q", got, err, a, b)
		}
	})
}

func TestReadRequirements_reads_blocks_and_single_lines(t *testing.T) {
	r := readRequirements(`// A comment.
module github.com/vision19/vision // another

go 1.26.0

require a.example/one v1.0.0
require (
	b.example/two v2.0.0+incompatible // indirect
	// nothing
	c.example/three v0.0.0-20200101000000-abcdefabcdef
)

exclude (
	d.example/four v1.0.0
)
replace e.example/five => ../five
`)
	want := []string{"a.example/one v1.0.0", "b.example/two v2.0.0+incompatible", "c.example/three v0.0.0-20200101000000-abcdefabcdef"}
	if r.module != sdkModule || r.golang != "1.26.0" || !slices.Equal(r.lines, want) {
		t.Errorf("%+v", r)
	}
}

func TestGoMod_quotes_a_folder_with_spaces(t *testing.T) {
	r := requirements{golang: "1.26.0", lines: []string{"a.example/one v1.0.0"}}
	want := "module example.com/x\n\ngo 1.26.0\n\nrequire github.com/vision19/vision v0.0.0\n\nreplace github.com/vision19/vision => \"/my src\"\n\nrequire (\n\ta.example/one v1.0.0 // indirect\n)\n"
	if got := goMod("example.com/x", "v0.0.0", "/my src", r); got != want {
		t.Errorf("%s", got)
	}
	published := "module example.com/x\n\ngo 1.26.0\n\nrequire github.com/vision19/vision v1.2.3\n"
	if got := goMod("example.com/x", "v1.2.3", "", requirements{golang: "1.26.0"}); got != published {
		t.Errorf("%s", got)
	}
}
