package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision19/vision/host/internal/plugintest"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/synth"
)

// answered sends a JSON body and returns what comes back with status 200.
func answered(t testing.TB, url string, body []byte) map[string]any {
	t.Helper()
	r, err := http.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	data, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d: %s", url, r.StatusCode, data)
	}
	return object(t, string(data))
}

// What synth makes up from the descriptions alone, the bundled plugins answer; and what the guard changes, they see.
func TestSynth_requests_are_answered_by_every_bundled_plugin(t *testing.T) {
	u, base := serving(t)
	for _, endpoint := range endpoints {
		dir := filepath.Join(t.TempDir(), endpoint)
		u.works(t, "synth", endpoint, "--seed", "7", "--count", "3", "--out", dir)
		bodies, err := filepath.Glob(filepath.Join(dir, "*.json"))
		if err != nil || len(bodies) != 3 {
			t.Fatalf("%s: %v, %v", endpoint, bodies, err)
		}
		for _, path := range bodies {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			answered(t, base+"/api/v1/"+endpoint, body)
		}
	}
	for endpoint, output := range map[string]sdk.OutputKind{"upscale": sdk.ImageOutput, "clip-embed": sdk.EmbeddingOutput} {
		d := sdk.Description{Inputs: []sdk.Input{{Name: "image", Kind: sdk.ImageInput}}, Output: sdk.Output{Kind: output}}
		picture, err := synth.Procedural{Kind: "landscape"}.Picture(t.Context(), rand.New(rand.NewPCG(1, 1)), 300*300)
		if err != nil {
			t.Fatal(err)
		}
		user := sdk.Request{Images: map[string][]sdk.Image{"image": {picture}}}
		answers := map[string]bool{}
		for seed := range uint64(3) {
			asked := user
			if seed > 0 {
				if asked, err = synth.Guard(d, user, synth.Seeds{}, rand.New(rand.NewPCG(seed, 1))); err != nil {
					t.Fatal(err)
				}
			}
			body, err := json.Marshal(map[string]any{"image": base64.StdEncoding.EncodeToString(asked.Images["image"][0].Data)})
			if err != nil {
				t.Fatal(err)
			}
			got := answered(t, base+"/api/v1/"+endpoint, body)
			answer, err := json.Marshal([]any{got["image"], got["embeddings"]})
			if err != nil {
				t.Fatal(err)
			}
			answers[string(answer)] = true
		}
		if len(answers) != 3 {
			t.Errorf("%s: %d different answers to a picture and two guarded copies of it", endpoint, len(answers))
		}
	}
}

func TestSynth_shows_the_same_requests_for_the_same_seed(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "captions.txt", "one lonely boat\ntwo lonely whales swimming\n")
	binary := plugintest.Echo(t, "")
	ask := func(args ...string) string { return u.works(t, append([]string{"synth", binary}, args...)...).stdout }
	first := ask("--seed", "3", "--count", "4", "--json")
	if first != ask("--seed", "3", "--count", "4", "--json") || first == ask("--seed", "4", "--count", "4", "--json") {
		t.Error("the requests do not follow the seed")
	}
	got := object(t, first)
	if keys(t, got) != "endpoint requests seed" || len(got["requests"].([]any)) != 4 || keys(t, got["requests"].([]any)[0]) != "images parameters texts" {
		t.Error(first)
	}
	if text := ask("--corpus", "captions.txt", "--count", "5"); !strings.Contains(text, "lonely") {
		t.Errorf("not of the corpus: %s", text)
	}
}

func TestSynth_says_what_is_wrong(t *testing.T) {
	u := newUser(t, "")
	u.write(t, "short.txt", "a\nb\n")
	binary := plugintest.Echo(t, "")
	for want, args := range map[string][]string{
		"--count 0: from 1":     {binary, "--count", "0"},
		"no line has 3 words":   {binary, "--corpus", "short.txt"},
		"missing.txt":           {binary, "--corpus", "missing.txt"},
		"neither a file nor":    {"nothing"},
		"--out: mkdir":          {binary, "--out", "short.txt/x"},
		"synth PLUGIN":          {},
		"unknown flag: --seeds": {binary, "--seeds", "1"},
	} {
		r := u.vision(t, append([]string{"synth"}, args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, want) {
			t.Errorf("%q: exit code %d\n%s", want, r.code, r.stderr)
		}
	}
}
