package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vision19/vision/host/internal/plugintest"
)

// endpoints are those that the project ships.
var endpoints = []string{"text-to-image", "image-to-image", "inpaint", "scribble", "upscale", "uncrop", "clip-embed"}

// shipped is the repository's plugins.hcl, with built plugins and absolute model folders.
func shipped(t testing.TB) string {
	t.Helper()
	needC(t)
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, "plugins.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(data), `"examples/`, `"`+root+`/examples/`)
	for _, name := range endpoints {
		declared := `"bin/plugins/` + name + `"`
		if !strings.Contains(text, declared) {
			t.Fatalf("plugins.hcl declares no %s", name)
		}
		text = strings.ReplaceAll(text, declared, `"`+plugintest.Build(t, "github.com/vision19/vision/plugins/"+name)+`"`)
	}
	return text
}

// serving is a user whose host serves the shipped configuration; base is its URL.
func serving(t testing.TB) (u *user, base string) {
	t.Helper()
	u = newUser(t, shipped(t))
	host := u.host(t)
	base = regexp.MustCompile(`http://\S+`).FindString(host.stdout.String())
	plugintest.Eventually(t, time.Minute, "every plugin is ready", func() bool {
		reply, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		defer reply.Body.Close()
		return reply.StatusCode == http.StatusOK
	})
	return u, base
}

// draw writes a picture into the user's folder: a disc on a ground.
func (u *user) draw(t testing.TB, name string, width, height int, disc, ground color.NRGBA) {
	t.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			dx, dy := x-width/2, y-height/2
			c := ground
			if dx*dx+dy*dy < width*width/16 {
				c = disc
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		t.Fatal(err)
	}
	u.write(t, name, data.String())
}

func decodePNG(t testing.TB, data []byte) image.Image {
	t.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

var (
	red, blue, yellow = color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 0, 255}
	black, white      = color.NRGBA{0, 0, 0, 255}, color.NRGBA{255, 255, 255, 255}
)

// like reports whether two colours are about the same.
func like(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	far := func(x, y uint32) bool { return max(x, y)-min(x, y) > 0x5000 }
	return !far(ar, br) && !far(ag, bg) && !far(ab, bb)
}

func TestEveryEndpoint_answers_with_the_shipped_configuration(t *testing.T) {
	u, base := serving(t)
	u.draw(t, "photo.png", 128, 128, red, blue)
	u.draw(t, "odd.png", 100, 76, red, blue)
	u.draw(t, "mask.png", 128, 128, white, black)
	u.draw(t, "wide.png", 96, 128, blue, blue)
	u.draw(t, "glass.png", 30, 20, color.NRGBA{255, 0, 0, 64}, color.NRGBA{0, 0, 255, 255})
	prompt := func(text string, more ...string) []string {
		return append([]string{"--seed", "7", "--prompt", text}, more...)
	}
	for _, c := range []struct {
		name, endpoint string
		args           []string
		width, height  int
		pixels         map[image.Point]color.Color // colours at points, about
	}{
		{"paints", "text-to-image", prompt("a red circle on a blue background"), 128, 128, map[image.Point]color.Color{{64, 64}: red, {4, 4}: blue}},
		{"paints over", "image-to-image", prompt("a yellow circle on a blue background", "--input", "image=photo.png"), 128, 128, map[image.Point]color.Color{{64, 64}: yellow, {4, 4}: blue}},
		{"keeps an odd size", "image-to-image", prompt("a red circle on a blue background", "--input", "image=odd.png", "--set", "image_strength=1"), 100, 76, map[image.Point]color.Color{{50, 38}: red, {4, 4}: blue}},
		{"paints in", "inpaint", prompt("a yellow circle on a blue background", "--input", "image=photo.png", "--input", "mask=mask.png"), 128, 128, map[image.Point]color.Color{{64, 64}: yellow, {4, 4}: blue}},
		{"follows an outline", "scribble", prompt("a red circle on a blue background", "--input", "image=photo.png", "--set", "preprocess=outline"), 128, 128, map[image.Point]color.Color{{64, 64}: red, {4, 4}: blue}},
		{"paints on", "uncrop", prompt("a yellow circle on a blue background", "--input", "image=wide.png", "--set", "right=32"), 128, 128, map[image.Point]color.Color{{4, 4}: blue, {124, 4}: blue}},
		{"doubles", "upscale", []string{"--input", "image=photo.png"}, 256, 256, map[image.Point]color.Color{{128, 128}: red, {8, 8}: blue}},
		{"keeps alpha", "upscale", []string{"--input", "image=glass.png", "--set", "scale=4"}, 120, 80, map[image.Point]color.Color{{60, 40}: color.NRGBA{255, 0, 0, 64}, {4, 4}: blue}},
	} {
		t.Run(c.endpoint+" "+c.name, func(t *testing.T) {
			r := u.works(t, append([]string{"generate", c.endpoint, "--json"}, c.args...)...)
			path, _ := object(t, r.stdout)["output"].(string)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			img := decodePNG(t, data)
			if size := img.Bounds().Size(); size != image.Pt(c.width, c.height) {
				t.Errorf("the size is %v", size)
			}
			for at, want := range c.pixels {
				if got := img.At(at.X, at.Y); !like(got, want) {
					t.Errorf("at %v it is %v, want %v", at, got, want)
				}
			}
		})
	}
	t.Run("clip-embed tells what a picture shows", func(t *testing.T) {
		r := u.works(t, "generate", "clip-embed", "--json", "--input", "image=photo.png",
			"--set", "text=a red circle on a blue background", "--set", "text=a green star on a white background")
		var answer struct{ Embeddings [][]float64 }
		if err := json.Unmarshal([]byte(r.stdout), &answer); err != nil || len(answer.Embeddings) != 3 {
			t.Fatalf("%d embeddings, %v", len(answer.Embeddings), err)
		}
		dot := func(a, b []float64) (sum float64) {
			for i := range a {
				sum += a[i] * b[i]
			}
			return sum
		}
		e := answer.Embeddings
		if right, wrong := dot(e[0], e[1]), dot(e[0], e[2]); right <= wrong {
			t.Errorf("the right text has the cosine %.3f, the wrong one %.3f", right, wrong)
		}
	})
	t.Run("uncrop keeps the picture's own pixels", func(t *testing.T) {
		u.works(t, append([]string{"generate", "uncrop", "--output", "grown.png"}, prompt("a red circle on a blue background", "--input", "image=odd.png", "--set", "left=20", "--set", "bottom=52")...)...)
		var pictures []image.Image
		for _, name := range []string{"odd.png", "grown.png"} {
			data, err := os.ReadFile(filepath.Join(u.dir, name))
			if err != nil {
				t.Fatal(err)
			}
			pictures = append(pictures, decodePNG(t, data))
		}
		for y := range 76 {
			for x := range 100 {
				if a, b := color.NRGBAModel.Convert(pictures[0].At(x, y)), color.NRGBAModel.Convert(pictures[1].At(x+20, y)); a != b {
					t.Fatalf("at %d, %d it was %v and is %v", x, y, a, b)
				}
			}
		}
	})
	t.Run("wrong input names the parameter", func(t *testing.T) { wrongInput(t, u) })
	t.Run("input has a bound and can be interrupted", func(t *testing.T) { boundedInput(t, u) })
	t.Run("HTTP takes a form and base64", func(t *testing.T) { overHTTP(t, u, base) })
	t.Run("a refused picture has features instead of pixels", func(t *testing.T) { refused(t, u, base) })
}

func boundedInput(t *testing.T, u *user) {
	if r := u.vision(t, "generate", "upscale", "--input", "image=/dev/zero"); r.code != 2 || !strings.Contains(r.stderr, "67108864 bytes") {
		t.Errorf("a file without an end: exit code %d\n%s", r.code, r.stderr)
	}
	pipe := filepath.Join(u.dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p := u.start(t, "generate", "upscale", "--input", "image="+pipe)
	// The pipe can be opened for writing as soon as the command reads from it.
	plugintest.Eventually(t, 10*time.Second, "the command waits for the pipe", func() bool {
		fd, err := syscall.Open(pipe, syscall.O_WRONLY|syscall.O_NONBLOCK, 0)
		if err == nil {
			t.Cleanup(func() { _ = syscall.Close(fd) })
		}
		return err == nil
	})
	p.signal(t, os.Interrupt)
	if code := p.end(t, 10*time.Second); code == 0 {
		t.Error("an interrupted command succeeds")
	}
}

func wrongInput(t *testing.T, u *user) {
	u.write(t, "text.png", "this is no picture")
	u.draw(t, "small.png", 64, 64, white, black)
	u.draw(t, "huge.png", 10_000, 8, red, blue)
	painted := []string{"--prompt", "a red circle"}
	photo := []string{"--input", "image=photo.png"}
	for _, c := range []struct {
		name, endpoint string
		args           []string
		param, says    string
	}{
		{"no prompt", "text-to-image", nil, "prompt", "is required"},
		{"no image", "image-to-image", painted, "image", "is required"},
		{"no mask", "inpaint", slices.Concat(painted, photo), "mask", "is required"},
		{"mask of another size", "inpaint", slices.Concat(painted, photo, []string{"--input", "mask=small.png"}), "mask", "64 x 64"},
		{"strength above 1", "image-to-image", slices.Concat(painted, photo, []string{"--set", "image_strength=1.2"}), "image_strength", "1.2"},
		{"10,000 px", "text-to-image", append(painted, "--set", "width=10000"), "width", "10000"},
		{"10,000 px of an image", "image-to-image", append(painted, "--input", "image=huge.png"), "image", "10000 x 8"},
		{"text named .png", "upscale", []string{"--input", "image=text.png"}, "image", "PNG, JPEG"},
		{"unknown preprocess", "scribble", slices.Concat(painted, photo, []string{"--set", "preprocess=magic"}), "preprocess", "outline"},
		{"nothing grows", "uncrop", slices.Concat(painted, photo), "left", "at least one"},
		{"too much grows", "uncrop", slices.Concat(painted, photo, []string{"--set", "left=512"}), "left", "640 x 128"},
		{"scale of 3", "upscale", append(photo, "--set", "scale=3"), "scale", "2, 4"},
		{"too short a time", "upscale", append(photo, "--timeout", "1ms"), "timeout", "from 1s to 10m"},
		{"too long a time", "upscale", append(photo, "--timeout", "1h"), "timeout", "from 1s to 10m"},
		{"nothing to embed", "clip-embed", nil, "image", "text"},
	} {
		r := u.vision(t, append([]string{"generate", c.endpoint}, c.args...)...)
		if r.code != 2 || !strings.Contains(r.stderr, c.param) || !strings.Contains(r.stderr, c.says) || r.stdout != "" {
			t.Errorf("%s: exit code %d, %q and %q are wanted in\n%s", c.name, r.code, c.param, c.says, r.stderr)
		}
	}
}

// post sends JSON and returns the status and the answer.
func post(t testing.TB, url string, body map[string]any) (int, map[string]any) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := http.Post(url, "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	answer, err := io.ReadAll(reply.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, object(t, string(answer))
}

func overHTTP(t *testing.T, u *user, base string) {
	photo, err := os.ReadFile(filepath.Join(u.dir, "photo.png"))
	if err != nil {
		t.Fatal(err)
	}
	status, answer := post(t, base+"/api/v1/image-to-image", map[string]any{"prompt": "a red circle", "image": photo, "image_strength": 0.9, "seed": 3})
	if status != http.StatusOK || answer["width"] != 128.0 || answer["image"] == "" {
		t.Errorf("image-to-image: %d %v", status, answer["error"])
	}
	status, answer = post(t, base+"/api/v1/clip-embed", map[string]any{"image": []any{photo, photo}, "text": []any{"a red circle"}})
	if list, ok := answer["embeddings"].([]any); status != http.StatusOK || !ok || len(list) != 3 {
		t.Errorf("clip-embed: %d %v", status, answer["error"])
	}
	status, answer = post(t, base+"/api/v1/inpaint", map[string]any{"prompt": "a red circle", "image": photo, "mask": []byte("no picture")})
	if fault, ok := answer["error"].(map[string]any); status != http.StatusBadRequest || !ok || fault["param"] != "mask" {
		t.Errorf("a mask that is no picture: %d %v", status, answer)
	}
}

// refused asks for the demo concept of the bundled safety checker, a black star.
func refused(t *testing.T, u *user, base string) {
	seen := 0
	for seed := range 4 {
		status, answer := post(t, base+"/api/v1/text-to-image", map[string]any{"prompt": "a large black star on a white background", "seed": seed})
		if status != http.StatusOK {
			t.Fatalf("%d %v", status, answer)
		}
		if answer["unsafe"] != true {
			continue
		}
		seen++
		if answer["image"] != nil {
			t.Error("a refused picture is sent")
		}
		ask, err := http.NewRequest(http.MethodPost, base+"/api/v1/text-to-image", strings.NewReader(fmt.Sprintf(`{"prompt":"a large black star on a white background","seed":%d}`, seed)))
		if err != nil {
			t.Fatal(err)
		}
		ask.Header.Set("Content-Type", "application/json")
		ask.Header.Set("Accept", "image/png")
		reply, err := http.DefaultClient.Do(ask)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != http.StatusBadRequest {
			t.Errorf("where only a picture is accepted the status is %d", reply.StatusCode)
		}
		r := u.vision(t, "generate", "text-to-image", "--prompt", "a large black star on a white background", "--seed", strconv.Itoa(seed))
		if r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "refused") {
			t.Errorf("generate: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	if seen == 0 {
		t.Error("no black star of four is refused")
	}
}

func TestDoctor_tells_which_endpoints_a_model_can_serve(t *testing.T) {
	u := newUser(t, shipped(t))
	models, err := filepath.Abs("../../../examples/models")
	if err != nil {
		t.Fatal(err)
	}
	for folder, serves := range map[string][]string{
		"tiny":         {"text-to-image", "image-to-image", "inpaint", "scribble", "uncrop"},
		"tiny-inpaint": {"inpaint", "uncrop"},
		"tiny-clip":    {"clip-embed"},
		"tiny-upscale": {"upscale"},
	} {
		r := u.works(t, "doctor", "--json", "--model", filepath.Join(models, folder))
		var report struct {
			Checks []struct{ Name, Status, Finding string }
		}
		if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range report.Checks {
			if name, ok := strings.CutPrefix(c.Name, "plugin "); ok && c.Status == "ok" {
				got = append(got, name)
			}
		}
		slices.Sort(got)
		slices.Sort(serves)
		if !slices.Equal(got, serves) {
			t.Errorf("%s serves %v, want %v", folder, got, serves)
		}
		if last := report.Checks[len(report.Checks)-1]; !strings.Contains(last.Finding, "float16") {
			t.Errorf("%s: the weights' type is not told: %s", folder, last.Finding)
		}
	}
	if r := u.vision(t, "doctor", "--model", u.dir); r.code != 1 || !strings.Contains(r.stdout, "no declared plugin can serve it") {
		t.Errorf("an empty folder: exit code %d\n%s", r.code, r.stdout)
	}
}

// Every bundled plugin keeps what the contract promises, in the sandbox that `vision run` gives it.
func TestPlugins_pass_the_conformance_suite(t *testing.T) {
	u := newUser(t, shipped(t))
	for _, name := range endpoints {
		t.Run(name, func(t *testing.T) {
			p := u.start(t, "plugin", "test", name, "--json")
			code := p.end(t, 2*time.Minute)
			report := object(t, p.stdout.String())
			if passed, _ := report["passed"].(float64); code != 0 || report["failed"] != 0.0 || passed < 30 {
				t.Errorf("exit code %d:\n%s%s", code, &p.stdout, &p.stderr)
			}
		})
	}
}
