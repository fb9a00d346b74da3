package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vision19/vision/sdk/imaging"
)

// python is Debian's, which has ONNX and XGBoost as its packages.
const python = "/usr/bin/python3"

// makeModels derives the model folders of honest hardware and of cheats.
func makeModels(ctx context.Context, o options) error {
	return command(ctx, python, "reward/train/models.py", filepath.Join(o.work, "models"))
}

func command(ctx context.Context, name string, args ...string) error {
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	return c.Run()
}

// modelOf is the folder of an endpoint's model.
var modelOf = map[string]string{
	"text-to-image": "tiny", "image-to-image": "tiny", "inpaint": "tiny-inpaint", "scribble": "tiny", "uncrop": "tiny-inpaint",
	"upscale": "tiny-upscale", "clip-embed": "tiny-clip",
}

// configuration declares every endpoint with every block.
func configuration(o options) (string, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	work, err := filepath.Abs(o.work)
	if err != nil {
		return "", err
	}
	var hcl strings.Builder
	hcl.WriteString("device \"cpu0\" {\n kind = \"cpu\"\n memory = \"18GiB\"\n}\n")
	declare := func(endpoint, name, models, config string) {
		models = filepath.Join(models, modelOf[endpoint])
		if strings.HasPrefix(models, "examples") {
			models = filepath.Join(root, models)
		} else {
			models = filepath.Join(work, models)
		}
		fmt.Fprintf(&hcl, "plugin %q {\n binary = %q\n memory = \"300MiB\"\n keep_alive = \"5m\"\n queue = 256\n replicas {\n min = 0\n}\n config {\n model = %q\n %s\n}\n}\n",
			endpoint+"-"+name, filepath.Join(root, "bin/plugins", endpoint), models, config)
	}
	for _, s := range shares {
		for _, b := range blocks {
			declare(s.endpoint, b.name, b.models, b.config)
		}
	}
	for _, b := range seedlessBlocks {
		declare(b.endpoint, b.name, b.models, b.config)
	}
	return hcl.String(), nil
}

// host is a running `vision run`.
type host struct {
	url string
	cmd *exec.Cmd
}

// startHost runs bin/vision and waits until it serves.
func startHost(ctx context.Context, o options) (*host, error) {
	hcl, err := configuration(o)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(o.work, "vision.hcl")
	if err := os.WriteFile(file, []byte(hcl), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "bin/vision", "run", "--listen", "127.0.0.1:0", "--log-level", "warn", "--state", filepath.Join(o.work, "state"), file)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w; `make` builds it", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, url, ok := strings.Cut(lines.Text(), "listening on "); ok {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return &host{url: strings.TrimSpace(url), cmd: cmd}, nil
		}
	}
	return nil, fmt.Errorf("bin/vision did not serve: %w", cmd.Wait())
}

// stop ends it and waits for that.
func (h *host) stop() {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	_ = h.cmd.Wait()
}

// errUnsafe is an answer without a picture.
var errUnsafe = errors.New("the safety check refused the picture")

// ask has one block answer a request.
func (h *host) ask(ctx context.Context, block string, r request) ([]byte, error) {
	body := maps.Clone(r.Parameters)
	for name, p := range r.Images {
		data, err := p.PNG()
		if err != nil {
			return nil, err
		}
		body[name] = base64.StdEncoding.EncodeToString(data)
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/api/v1/"+r.Endpoint+"-"+block, bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Accept", "image/png")
	q.Header.Set("Prefer", "wait=600")
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	out, err := io.ReadAll(io.LimitReader(a.Body, 64<<20))
	switch {
	case err != nil:
		return nil, err
	case a.StatusCode == http.StatusOK:
		return out, nil
	case bytes.Contains(out, []byte("unsafe_content")):
		return nil, errUnsafe
	}
	return nil, fmt.Errorf("%s %d: %s", block, a.StatusCode, out)
}

// folder is where the renders of a request lie.
func (o options) folder(r request) string {
	return filepath.Join(o.work, "renders", r.Endpoint, fmt.Sprintf("%05d", r.Number))
}

// render renders every request in every way. What lies there already stays.
func render(ctx context.Context, o options) error {
	if err := os.MkdirAll(o.work, 0o755); err != nil {
		return err
	}
	if err := synthesise(ctx, o); err != nil {
		return err
	}
	h, err := startHost(ctx, o)
	if err != nil {
		return err
	}
	defer h.stop()
	all := split(o.requests)
	done := newProgress("render", len(all))
	return each(ctx, o.workers, all, func(r request) error { return renderOne(ctx, o, h, r, done) })
}

func renderOne(ctx context.Context, o options, h *host, r request, done *progress) error {
	defer done.step()
	dir := o.folder(r)
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return nil
	}
	r, err := r.fill(o)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	state := "complete"
	for _, x := range renderings {
		changed, ok := x.change(randomness(o, r, x.kind), r)
		if !ok {
			continue
		}
		data, err := h.ask(ctx, x.block, changed)
		if errors.Is(err, errUnsafe) && x.kind == reference {
			state = "unsafe"
			break
		} else if errors.Is(err, errUnsafe) {
			continue
		} else if err != nil {
			return fmt.Errorf("%s %d, %s: %w", r.Endpoint, r.Number, x.kind, err)
		}
		if err := os.WriteFile(filepath.Join(dir, x.kind+".png"), data, 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "done"), []byte(state), 0o644)
}

// load reads a picture that was rendered here.
func load(path string) (imaging.Pixels, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return imaging.Pixels{}, err
	}
	p, err := imaging.Read(data, imaging.MaxSide*64)
	return p.RGB(), err
}

// each calls f for every item, by so many workers, until one fails.
func each[T any](ctx context.Context, workers int, items []T, f func(T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan T)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for item := range queue {
				if ctx.Err() == nil {
					if err := f(item); err != nil {
						cancel(err)
					}
				}
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

// progress prints how far a stage is, a line every ten seconds.
type progress struct {
	mu          sync.Mutex
	name        string
	done, total int
	began, told time.Time
}

func newProgress(name string, total int) *progress {
	return &progress{name: name, total: total, began: time.Now(), told: time.Now()}
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if now := time.Now(); now.Sub(p.told) > 10*time.Second || p.done == p.total {
		p.told = now
		fmt.Fprintf(os.Stderr, "%s: %d of %d, %s\n", p.name, p.done, p.total, now.Sub(p.began).Round(time.Second))
	}
}
