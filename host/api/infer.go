package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/vision19/vision/sdk"
)

func (s *server) infer(w http.ResponseWriter, r *http.Request) {
	target := chi.URLParam(r, "endpoint")
	d, ok := s.backend.Describe(target)
	if !ok {
		writeError(w, sdk.NewError(CodeNotFound, "no endpoint "+strconv.Quote(target)+"; there are "+s.endpoints(), nil))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), deadline(r))
	defer cancel()
	job, err := readJob(w, r, target, d)
	if err != nil {
		writeError(w, err)
		return
	}
	job.Client = client(r)
	accept := r.Header.Get("Accept")
	if strings.Contains(accept, "text/event-stream") {
		s.stream(ctx, w, job, r.URL.Query().Get("previews") == "true")
		return
	}
	answer, err := s.backend.Do(ctx, job, Events{})
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // not every ResponseWriter has one
	switch {
	case err != nil:
		writeError(w, err)
	case strings.HasPrefix(accept, "image/") && answer.Result.Unsafe:
		writeError(w, sdk.NewError(sdk.CodeUnsafe, "the model's safety check refused the picture", nil))
	case strings.HasPrefix(accept, "image/") && len(answer.Result.Images) == 1:
		writeImage(w, answer)
	default:
		writeJSON(w, http.StatusOK, NewReply(answer))
	}
}

// client is whom requests are fair to: without keys, the address that they come from.
func client(r *http.Request) string {
	if address, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return address
	}
	return "local" // the control socket
}

func (s *server) endpoints() string {
	var names []string
	for _, p := range s.backend.Plugins() {
		names = append(names, p.Endpoint)
	}
	return strings.Join(names, ", ")
}

// writeImage answers with the picture itself, and what else there is to say in headers.
func writeImage(w http.ResponseWriter, a Answer) {
	image := a.Result.Images[0]
	h := w.Header()
	h.Set("Content-Type", image.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(image.Data)))
	if seed, ok := a.Values["seed"]; ok {
		h.Set("Vision-Seed", fmt.Sprint(seed))
	}
	for i, warning := range a.Result.Warnings {
		if i == maxWarnings {
			break
		}
		text := strings.Map(func(r rune) rune {
			if r < ' ' || r > '~' { // RFC 9110, 5.5
				return '?'
			}
			return r
		}, warning)
		h.Add("Vision-Warning", text[:min(len(text), maxWarning)])
	}
	_, _ = w.Write(image.Data) // a client that has gone
}

// The bounds of warnings in headers: clients take 8 to 16 KiB of headers in all. The JSON answer has the whole texts.
const (
	maxWarnings = 8
	maxWarning  = 512 // bytes
)

// Reply is the JSON answer of an endpoint.
type Reply struct {
	Image      []byte      `json:"image,omitempty"` // base64
	MediaType  string      `json:"media_type,omitempty"`
	Embeddings [][]float32 `json:"embeddings,omitempty"`
	Unsafe     bool        `json:"unsafe,omitempty"`
	Seed       *int64      `json:"seed,omitempty"`
	Width      int         `json:"width,omitempty"`
	Height     int         `json:"height,omitempty"`
	Steps      int64       `json:"steps,omitempty"`
	Device     string      `json:"device"`
	MS         float64     `json:"ms"`       // in the plugin
	QueueMS    float64     `json:"queue_ms"` // waiting for it
	Warnings   []string    `json:"warnings"`
}

// NewReply makes the JSON answer.
func NewReply(a Answer) Reply {
	r := Reply{
		Embeddings: a.Result.Embeddings, Unsafe: a.Result.Unsafe, Steps: a.Values.Int("steps"), Device: a.Device,
		MS: millis(a.Took), QueueMS: millis(a.Queued), Warnings: append([]string{}, a.Result.Warnings...),
	}
	if seed, ok := a.Values["seed"].(int64); ok {
		r.Seed = &seed
	}
	if len(a.Result.Images) > 0 {
		i := a.Result.Images[0]
		r.Image, r.MediaType, r.Width, r.Height = i.Data, i.MediaType, i.Width, i.Height
	}
	return r
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// answerTime is how long a client may take to read an answer: 64 MiB at 5 Mbit/s. One that reads nothing must not hold it in memory for ever.
const answerTime = 2 * time.Minute

// eventTime is how long a client may take for one event before it is given up: a reader that stalls must not hold a plugin.
const eventTime = 10 * time.Second

// stream answers with server-sent events: queued, accepted, progress, preview, and last either result or error.
func (s *server) stream(ctx context.Context, w http.ResponseWriter, job Job, previews bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	var mu sync.Mutex
	send := func(event string, data any) {
		text, err := json.Marshal(data)
		if err != nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		_ = control.SetWriteDeadline(time.Now().Add(eventTime))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text); err != nil || control.Flush() != nil {
			cancel()
		}
	}
	send("queued", struct{}{})
	events := Events{
		Accepted: func() { send("accepted", struct{}{}) },
		Step:     func(done, total int) { send("progress", Progress{Done: done, Total: total}) },
	}
	if previews {
		events.Preview = func(i sdk.Image) { send("preview", Preview{Image: i.Data, MediaType: i.MediaType}) }
	}
	answer, err := s.backend.Do(ctx, job, events)
	if err != nil {
		send("error", body(sdk.AsError(err)))
		return
	}
	send("result", NewReply(answer))
}

// Progress is the data of a progress event.
type Progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// Preview is the data of a preview event: an unfinished image.
type Preview struct {
	Image     []byte `json:"image"` // base64
	MediaType string `json:"media_type"`
}
