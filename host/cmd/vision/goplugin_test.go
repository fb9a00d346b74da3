package main_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
)

// TestGoPlugin_out_of_tree_gets_everything_from_an_unchanged_host builds examples/go-plugin as a stranger would, and asks for its endpoint in
// every way that there is.
func TestGoPlugin_out_of_tree_gets_everything_from_an_unchanged_host(t *testing.T) {
	folder := filepath.Join(sdkSource(t), "examples/go-plugin")
	hcl, err := os.ReadFile(filepath.Join(folder, "plugins.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	u := newUser(t, string(hcl))
	u.inFolder(t, ".", "go", "build", "-C", folder, "-o", filepath.Join(u.dir, "palette"), ".")
	u.draw(t, "disc.png", 64, 48, red, blue)

	described := u.works(t, "describe", "palette").stdout
	for _, want := range []string{"palette 0.1.0: Palette", "image  required, at most 1", "an int from 2 to 32", "samples  50000 "} {
		if !strings.Contains(described, want) {
			t.Errorf("describe lacks %q:\n%s", want, described)
		}
	}

	run := u.host(t)
	base := run.address()
	plugintest.Eventually(t, 20*time.Second, "the plugin is ready", func() bool {
		r, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		defer r.Body.Close()
		var body bytes.Buffer
		_, err = body.ReadFrom(r.Body)
		return err == nil && r.StatusCode == http.StatusOK && strings.Contains(body.String(), `"endpoint":"palette"`)
	})

	picture, err := os.ReadFile(filepath.Join(u.dir, "disc.png"))
	if err != nil {
		t.Fatal(err)
	}
	image := base64.StdEncoding.EncodeToString(picture)
	if a := ask(base, "palette", fmt.Sprintf(`{"image":%q,"colours":99}`, image)); a.code != http.StatusBadRequest || !strings.Contains(a.text, `"param":"colours"`) {
		t.Errorf("a wrong parameter: %d %s", a.code, a.text)
	}
	a := ask(base, "palette", fmt.Sprintf(`{"image":%q,"colours":2,"seed":5}`, image))
	if a.code != http.StatusOK {
		t.Fatalf("%d %s", a.code, a.text)
	}
	answered, err := base64.StdEncoding.DecodeString(fmt.Sprint(object(t, a.text)["image"]))
	if err != nil {
		t.Fatal(err)
	}
	u.works(t, "generate", "palette", "--input", "image=disc.png", "--set", "colours=2", "--seed", "5", "--output", "out.png")
	generated, err := os.ReadFile(filepath.Join(u.dir, "out.png"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(answered, generated) {
		t.Error("HTTP and the command line give different pictures for one seed")
	}
	img := decodePNG(t, answered)
	centre, corner := color.NRGBAModel.Convert(img.At(32, 24)), color.NRGBAModel.Convert(img.At(0, 0))
	if b := img.Bounds(); b.Dx() != 64 || b.Dy() != 48 || centre != red || corner != blue {
		t.Errorf("%v, %v in the centre, %v in the corner", b, centre, corner)
	}
}
