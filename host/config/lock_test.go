package config_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/vision19/vision/host/config"
)

var digestA, digestB = strings.Repeat("a1", 32), strings.Repeat("b2", 32)

func TestLock_writes_as_a_person_would(t *testing.T) {
	paths, err := filepath.Glob("testdata/lock/*.hcl")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(path, "hcl") + "golden")
			if err != nil {
				t.Fatal(err)
			}
			for _, ends := range []string{"\n", "\r\n"} {
				source, want := bytes.ReplaceAll(source, []byte("\n"), []byte(ends)), bytes.ReplaceAll(want, []byte("\n"), []byte(ends))
				got, err := config.Lock(source, path, map[string]string{"a": digestA, "b": digestB})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("lines that end with %q: got\n%s\nwant\n%s", ends, got, want)
				}
				again, err := config.Lock(got, path, map[string]string{"a": digestA, "b": digestB})
				if err != nil || !bytes.Equal(again, got) {
					t.Errorf("not the same once more, %v:\n%s", err, again)
				}
			}
		})
	}
}

func TestLock_says_what_the_file_lacks(t *testing.T) {
	for _, c := range []struct {
		name, source, digest string
		want                 string
	}{
		{"syntax", "plugin \"a\" {", digestA, "p.hcl:1"},
		{"no such plugin", "plugin \"b\" {\n}\n", digestA, "p.hcl declares no plugin a"},
		{"no binary", "\nplugin \"a\" {\n}\n", digestA, "p.hcl:2:1: plugin a has no binary"},
		{"no digest", "plugin \"a\" {\n  binary = \"x\"\n}\n", "\"\n", "is no SHA-256"},
		{"an unclosed comment", "plugin \"a\" {\n  binary = \"x\" /* ", digestA, "p.hcl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, err := config.Lock([]byte(c.source), "p.hcl", map[string]string{"a": c.digest}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q; %s", err, c.want, out)
			}
		})
	}
}

func TestSource_is_what_Load_has_read(t *testing.T) {
	const hcl = "host {\r\n}\r\n"
	path := write(t, hcl)
	c, _ := config.Load(path)
	if got := c.Source(path); string(got) != hcl {
		t.Errorf("%q", got)
	}
	if got := c.Source("other.hcl"); got != nil {
		t.Errorf("%q", got)
	}
}

// comments are the file's comments in their order.
func comments(t testing.TB, source []byte) []string {
	tokens, diags := hclsyntax.LexConfig(source, "p.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var out []string
	for _, token := range tokens {
		if token.Type == hclsyntax.TokenComment {
			out = append(out, string(token.Bytes))
		}
	}
	return out
}

// FuzzLock locks whatever plugins a text declares: the result can be locked anew and back, and keeps its comments.
func FuzzLock(f *testing.F) {
	paths, err := filepath.Glob("testdata/lock/*.hcl")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
		f.Add(bytes.ReplaceAll(source, []byte("\n"), []byte("\r\n")))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		file, diags := hclsyntax.ParseConfig(source, "p.hcl", hcl.InitialPos)
		if diags.HasErrors() {
			return
		}
		first, second := map[string]string{}, map[string]string{}
		for _, block := range file.Body.(*hclsyntax.Body).Blocks {
			if block.Type == "plugin" && len(block.Labels) == 1 {
				first[block.Labels[0]], second[block.Labels[0]] = digestA, digestB
			}
		}
		out, err := config.Lock(source, "p.hcl", first)
		if err != nil {
			return
		}
		if was, is := comments(t, source), comments(t, out); !slices.Equal(was, is) {
			t.Errorf("comments were %q and are %q", was, is)
		}
		other, err := config.Lock(out, "p.hcl", second)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		if back, err := config.Lock(other, "p.hcl", first); err != nil || !bytes.Equal(back, out) {
			t.Errorf("%v: %q is not %q, for %v", err, back, out, slices.Collect(maps.Keys(first)))
		}
	})
}
