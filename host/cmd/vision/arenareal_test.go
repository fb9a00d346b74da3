package main_test

import (
	"strings"
	"testing"
)

// Real pictures, a real comparison, a small population: half of the steps earn next to nothing.
func TestArena_plays_with_pictures_that_plugins_paint(t *testing.T) {
	text := shipped(t)
	second := strings.Replace(text[strings.Index(text, `plugin "text-to-image"`):strings.Index(text, `plugin "image-to-image"`)], `"text-to-image"`, `"other-hardware"`, 1)
	u := newUser(t, text+strings.Replace(second, "threads = 1", "threads = 2\n    precision = \"fp16\"", 1))
	args := "arena --mode real --hardware other-hardware --embedder clip-embed --requests 3 --miners 16 --periods 8 --seeds 2 --references on --json --strategies half-steps,other-seed,smaller-model"
	r := u.vision(t, strings.Fields(args)...)
	if r.code != 0 || !strings.Contains(r.stderr, "3 of 3 requests painted") {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	list, ok := object(t, r.stdout)["strategies"].([]any)
	if !ok || len(list) != 2 { // smaller-model is not played: there is no other checkpoint
		t.Fatal(r.stdout)
	}
	for _, s := range list {
		if s := s.(map[string]any); s["relative_weight"].(float64) > 0.05 {
			t.Errorf("%v earns %v", s["name"], s["relative_weight"])
		}
	}
	for says, args := range map[string]string{"gives no pictures": "--plugin clip-embed", "requests is 1; it must be from 2": "--requests 1", "no plugin \"easel\" is declared": "--plugin easel"} {
		r := u.vision(t, strings.Fields("arena --mode real "+args)...)
		if r.code != 2 || !strings.Contains(r.stderr, says) {
			t.Errorf("%s: exit code %d\n%s", args, r.code, r.stderr)
		}
	}
}
